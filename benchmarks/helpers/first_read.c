/*
 * first_read FILE: wait until FILE can be read and is not empty; print CLOCK_MONOTONIC of that
 * moment in nanoseconds. A program of its own, because whoever waits for a file system that
 * hangs can only be killed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int answered(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return 0;
	int got = read(fd, &byte, 1) == 1;
	close(fd);
	return got;
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 500000 }, time;

	if (argc != 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!answered(argv[1]))
		nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &time);
	printf("%lld%09ld\n", (long long)time.tv_sec, time.tv_nsec);
	return 0;
}
