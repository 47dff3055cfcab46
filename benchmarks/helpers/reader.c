/*
 * Readers: processes inside containers that open, read to the end and close files, and time it.
 *
 * reader -g ROOT... -f FILE... -n READERS [-w WARMUP] [-p MICROSECONDS]
 *        (-s MILLISECONDS | -t TURNS) < CONTAINERS
 *
 * CONTAINERS are lines of "PID NAME": a container's init and its cgroup below each ROOT. Reader i
 * is in container i modulo their number and reads FILE i, i + 1, ... modulo theirs. With -s all
 * read at the same time, for so long, with a pause of -p before each read; with -t one after the other, TURNS times each, all of
 * them with cold caches: few readers are not to be faster than many that waited for long.
 * Writes struct sample in binary to stdout, reader by reader, without the warm-up.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "join.h"

#define MAX_FILES 16
#define MAX_SAMPLES (512 * 1024) /* per reader, with -s */
#define NAME_SIZE 64
#define COLD_SIZE (1024 * 1024)

struct sample {
	uint32_t nanoseconds; /* from before open() to after close() */
	uint32_t file;        /* which FILE */
	uint32_t bytes;       /* how much came */
};

struct container {
	pid_t init;
	char name[NAME_SIZE];
};

struct reader { /* shared with the process that reads */
	sem_t turn;
	uint32_t count;
	struct sample *samples;
};

static struct roots roots;
static struct container *containers;
static int container_count;
static const char *files[MAX_FILES];
static int file_count;
static int reader_count = 1, warmup = 1, milliseconds, turns, pause_time;
static struct reader *readers;
static pthread_barrier_t *start;
static volatile char *cold_memory; /* one for all: a thousand readers fit in a container */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct sample read_once(unsigned int file)
{
	static char buffer[64 * 1024];
	uint32_t bytes = 0;
	ssize_t got;

	uint64_t begin = now();
	int fd = open(files[file], O_RDONLY);
	if (fd < 0)
		err(1, "open %s", files[file]);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		bytes += got;
	if (got < 0)
		err(1, "read %s", files[file]);
	close(fd);
	return (struct sample){ now() - begin, file, bytes };
}

static void take_sample(int number, unsigned int step)
{
	struct reader *reader = &readers[number];

	reader->samples[reader->count] = read_once((number + step) % file_count);
	reader->count++;
}

/* Fill the caches that a core has for itself with something else. */
static void cool_down(void)
{
	for (size_t i = 0; i < COLD_SIZE; i += 64)
		cold_memory[i]++;
}

static void read_in_turns(int number)
{
	for (int turn = 0; turn < turns; turn++) {
		while (sem_wait(&readers[number].turn))
			;
		cool_down();
		take_sample(number, turn);
		sem_post(&readers[(number + 1) % reader_count].turn);
	}
}

static void read_for_a_while(int number)
{
	uint64_t end = now() + (uint64_t)milliseconds * 1000000;

	for (unsigned int step = 0; step < MAX_SAMPLES && now() < end; step++) {
		if (pause_time)
			usleep(pause_time);
		take_sample(number, step);
	}
}

static void run_reader(int number)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < warmup; i++)
		read_once((number + i) % file_count);
	pthread_barrier_wait(start);
	if (turns)
		read_in_turns(number);
	else
		read_for_a_while(number);
}

/* A process enters a pid namespace with its children only: hence two processes for each reader. */
static void enter_container(const struct container *container)
{
	char path[64];

	join_cgroups(&roots, container->name);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", container->init);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWPID))
		err(1, "%s", path);
	close(fd);
}

static pid_t checked_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

/* Wait for a child; whatever went wrong with it has gone wrong with us. */
static void reap(void)
{
	int status;

	if (wait(&status) < 0)
		err(1, "wait");
	if (status != 0)
		errx(1, "a reader ended with wait status %d", status);
}

static void start_reader(int number)
{
	if (checked_fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_container(&containers[number % container_count]);
	if (checked_fork() == 0)
		run_reader(number);
	else
		reap();
	_exit(0);
}

static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	return memory;
}

static void prepare_readers(void)
{
	size_t each = turns ? turns : MAX_SAMPLES;
	struct sample *samples = shared_memory(reader_count * each * sizeof(*samples));
	pthread_barrierattr_t shared;

	readers = shared_memory(reader_count * sizeof(*readers));
	for (int i = 0; i < reader_count; i++) {
		sem_init(&readers[i].turn, 1, i == 0);
		readers[i].samples = samples + i * each;
	}
	cold_memory = shared_memory(COLD_SIZE);
	start = shared_memory(sizeof(*start));
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(start, &shared, reader_count);
}

static void read_containers(void)
{
	struct container next;

	while (scanf("%d %63s", &next.init, next.name) == 2) {
		containers = realloc(containers, (container_count + 1) * sizeof(next));
		if (!containers)
			err(1, "realloc");
		containers[container_count++] = next;
	}
}

static bool parse_options(int argc, char **argv)
{
	for (int option; (option = getopt(argc, argv, "f:g:n:p:s:t:w:")) != -1;) {
		switch (option) {
		case 'f':
			if (file_count == MAX_FILES)
				return false;
			files[file_count++] = optarg;
			break;
		case 'g': add_root(&roots, optarg); break;
		case 'n': reader_count = atoi(optarg); break;
		case 'p': pause_time = atoi(optarg); break;
		case 's': milliseconds = atoi(optarg); break;
		case 't': turns = atoi(optarg); break;
		case 'w': warmup = atoi(optarg); break;
		default: return false;
		}
	}
	return file_count && reader_count > 0 && !turns != !milliseconds;
}

int main(int argc, char **argv)
{
	if (!parse_options(argc, argv))
		errx(2, "see the head of reader.c");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	read_containers();
	if (!container_count)
		errx(2, "no containers on standard input");
	prepare_readers();
	for (int i = 0; i < reader_count; i++)
		start_reader(i);
	for (int i = 0; i < reader_count; i++)
		reap();
	for (int i = 0; i < reader_count; i++)
		fwrite(readers[i].samples, sizeof(struct sample), readers[i].count, stdout);
	return 0;
}
