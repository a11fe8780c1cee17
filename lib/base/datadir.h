/* lib/base/datadir.h - where the installed files are. Any thread. */
#ifndef HOR_BASE_DATADIR_H
#define HOR_BASE_DATADIR_H

/* Where xsd/, wsdl/ and xslt-gui/ are: $HORARIUM_DATADIR, else the folder compiled in. */
const char *hor_datadir(void);

#endif
