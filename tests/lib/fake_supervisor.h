/* tests/lib/fake_supervisor.h - stands in for the Supervisor behind the Controller: users, sessions
 * in memory, and answers from the files of a folder, NAME.xml for the operation NAME. A log is the
 * file log.txt there. */
#ifndef HOR_TESTS_FAKE_SUPERVISOR_H
#define HOR_TESTS_FAKE_SUPERVISOR_H

#include <stdint.h>
#include <threads.h>

#include "server/controller/controller.h"

enum { HOR_FAKE_SESSIONS = 8 };

struct hor_fake_supervisor {
    const char *folder;     /* borrowed */
    mtx_t mutex;            /* guards all below */
    struct hor_buf asked;   /* the last request other than WhoAmI and GetEvents */
    unsigned calls;         /* of those */
    int refuse;             /* answer those with this code; 0: do not */
    uint64_t position;      /* of the newest event */
    struct hor_buf log;     /* of every task */
    bool log_complete;
    char sessions[HOR_FAKE_SESSIONS][65];
    unsigned next;
};

int hor_fake_supervisor_init(struct hor_fake_supervisor *fake, const char *folder);
void hor_fake_supervisor_done(struct hor_fake_supervisor *fake);
/* User "anna", password "secret of anna". */
struct hor_controller_backend hor_fake_supervisor_backend(struct hor_fake_supervisor *fake);

#endif
