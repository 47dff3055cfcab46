/*
 * The benchmark's containers: for each name on stdin an init that sleeps, in a pid namespace of
 * its own and in the cgroup of that name in every hierarchy.
 *
 * containers -g ROOT... [-t THREADS] < NAMES
 *
 * Prints each init's pid when it is in place and "ready" after the last. Its death ends them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "join.h"

struct init {
	const struct roots *roots;
	const char *container;
	int threads; /* in all, the init's first one included */
	int ready;   /* a pipe: one byte when everything is in place */
};

static __attribute__((noreturn)) void *sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

static void start_threads(int count)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
	while (count-- > 0)
		if (pthread_create(&thread, &small, sleep_for_ever, NULL))
			errx(1, "cannot start a thread");
}

/* Write a block to the disk, if TMPDIR is on one: a container without I/O has no diskstats. */
static void write_block(void)
{
	static const char block[4096];
	const char *directory = getenv("TMPDIR");
	int fd = open(directory ? directory : "/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return; /* not every file system has O_TMPFILE */
	if (write(fd, block, sizeof(block)) < 0 || fsync(fd))
		warn("cannot write to the disk");
	close(fd);
}

static int run_init(void *argument)
{
	struct init *init = argument;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	join_cgroups(init->roots, init->container);
	write_block();
	start_threads(init->threads - 1);
	if (write(init->ready, "", 1) != 1)
		err(1, "write");
	close(init->ready);
	sleep_for_ever(NULL);
}

static pid_t start_container(const struct roots *roots, const char *name, int threads)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		err(1, "pipe2");
	struct init init = { roots, name, threads, ready[1] };
	pid_t pid = clone(run_init, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, &init);
	if (pid < 0)
		err(1, "clone");
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "the init of %s did not start", name);
	close(ready[0]);
	return pid;
}

int main(int argc, char **argv)
{
	struct roots roots = { .count = 0 };
	int threads = 1, option;
	char name[NAME_MAX + 1];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((option = getopt(argc, argv, "g:t:")) != -1) {
		if (option == 'g')
			add_root(&roots, optarg);
		else if (option == 't')
			threads = atoi(optarg);
		else
			return 2;
	}
	while (fgets(name, sizeof(name), stdin)) {
		name[strcspn(name, "\n")] = '\0';
		printf("%d\n", start_container(&roots, name, threads));
	}
	puts("ready");
	fflush(stdout);
	sleep_for_ever(NULL);
}
