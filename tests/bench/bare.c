/* tests/bench/bare.c - the bare costs that Horarium's figures are held against, measured in the same
 * run on the same machine:
 *   bare start COUNT PROGRAM...   a vfork + exec + wait loop
 *   bare sync COUNT BYTES FILE    write BYTES and fdatasync, COUNT times, in a growing file
 *   bare sax FILE                 a libxml2 SAX parse with empty handlers
 * Prints one line: seconds, CPU seconds (children included), and per item the median in ms. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(double seconds, double *each, long count)
{
    qsort(each, (size_t)count, sizeof *each, by_size);
    printf("seconds=%.6f cpu=%.6f median_ms=%.4f count=%ld\n", seconds,
           cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN), each[count / 2] * 1e3, count);
}

static int start_loop(long count, char **argv, double *each)
{
    double begin = now_s();
    for (long i = 0; i < count; i++) {
        double one = now_s();
        pid_t pid = vfork();
        if (pid == 0) {
            execv(argv[0], argv);
            _exit(127);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) == 127) {
            fprintf(stderr, "bare: cannot run %s: %s\n", argv[0], strerror(errno));
            return 1;
        }
        each[i] = now_s() - one;
    }
    print(now_s() - begin, each, count);
    return 0;
}

static int sync_loop(long count, size_t bytes, const char *path, double *each)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *data = calloc(1, bytes);
    if (fd < 0 || data == NULL) {
        fprintf(stderr, "bare: %s: %s\n", path, strerror(errno));
        return 1;
    }
    memset(data, 'x', bytes);
    double begin = now_s();
    for (long i = 0; i < count; i++) {
        double one = now_s();
        if (write(fd, data, bytes) != (ssize_t)bytes || fdatasync(fd) != 0) {
            fprintf(stderr, "bare: %s: %s\n", path, strerror(errno));
            return 1;
        }
        each[i] = now_s() - one;
    }
    print(now_s() - begin, each, count);
    close(fd);
    free(data);
    return unlink(path) == 0 ? 0 : 1;
}

static int sax_parse(const char *path, double *each)
{
    xmlSAXHandler empty;
    memset(&empty, 0, sizeof empty);
    empty.initialized = XML_SAX2_MAGIC;
    double begin = now_s();
    if (xmlSAXUserParseFile(&empty, NULL, path) != 0) {
        fprintf(stderr, "bare: %s is not well-formed\n", path);
        return 1;
    }
    each[0] = now_s() - begin;
    print(each[0], each, 1);
    return 0;
}

int main(int argc, char **argv)
{
    long count = argc > 2 && strcmp(argv[1], "sax") != 0 ? atol(argv[2]) : 1;
    double *each = count > 0 ? calloc((size_t)count, sizeof *each) : NULL;
    int code = 2;
    if (each != NULL && argc >= 4 && strcmp(argv[1], "start") == 0)
        code = start_loop(count, argv + 3, each);
    else if (each != NULL && argc == 5 && strcmp(argv[1], "sync") == 0)
        code = sync_loop(count, (size_t)atol(argv[3]), argv[4], each);
    else if (each != NULL && argc == 3 && strcmp(argv[1], "sax") == 0)
        code = sax_parse(argv[2], each);
    else
        fputs("usage: bare start COUNT PROGRAM... | sync COUNT BYTES FILE | sax FILE\n", stderr);
    free(each);
    return code;
}
