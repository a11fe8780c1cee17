/* tests/lib/documents.h - configurations written inside a test: an array of file name, content, ...,
 * NULL. The content is what stands inside the root element's start tag and after it; name space and
 * XML declaration are added. */
#ifndef HOR_TESTS_DOCUMENTS_H
#define HOR_TESTS_DOCUMENTS_H

#include "lib/base/buf.h"
#include "lib/model/config.h"

/* "a/b.chain.xml", "<jobChain agentCluster='/c'>...</jobChain>", ..., NULL. Ends the program, telling
 * the problems, when they do not load. */
struct hor_config *hor_test_config(const char *const *documents);
/* The same as a release document. */
void hor_test_release(const char *const *documents, int number, struct hor_buf *ret, char sha256[65]);

#endif
