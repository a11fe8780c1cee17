/* lib/program/program.h - what every service program does alike: options, settings, the log,
 * signals, and the codes it ends with. */
#ifndef HOR_PROGRAM_PROGRAM_H
#define HOR_PROGRAM_PROGRAM_H

#include "lib/config/settings.h"
#include "lib/loop/loop.h"

/* How a service ends; docs/man and --help name the same numbers. */
enum hor_exit {
    HOR_EXIT_ENDED = 0,
    HOR_EXIT_FAILED = 1,
    HOR_EXIT_USAGE = 2,
    HOR_EXIT_SETTINGS = 3,
    HOR_EXIT_CANNOT_START = 4,
};

struct hor_program {
    const char *name;         /* "horarium-master" */
    const char *what;         /* --help: one or more sentences, lines end with \n */
    const char *more;         /* --help: what only this program has to say; may be "" */
    const char *cannot_start; /* --help: the reasons, "port, data folder, journal" */

    /* Reads the settings; what it gives back starts with a struct hor_settings_common. */
    int (*read)(const char *file, void **settings, struct hor_error *err);
    void (*free_settings)(void *settings);

    /* Starts the service on the loop; the settings outlive it. On failure nothing is left. */
    int (*start)(const void *settings, struct hor_loop *loop, void **service,
                 struct hor_error *err);
    /* After the loop has ended: frees the service; the exit code. */
    int (*end)(void *service);
};

/* The whole of main(): 0 when it was ended by TERM or INT, otherwise an enum hor_exit or what
 * `end` says. HUP opens the log file anew; PIPE is ignored. */
int hor_program_main(const struct hor_program *program, int argc, char **argv);

#endif
