#include "lib/base/datadir.h"

#include <stdlib.h>

const char *hor_datadir(void)
{
    const char *set = getenv("HORARIUM_DATADIR");
    return set != NULL && *set != '\0' ? set : HOR_DATADIR;
}
