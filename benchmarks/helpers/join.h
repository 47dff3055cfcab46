/* Joining a container's cgroups: shared by containers.c and reader.c. */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_ROOTS 32

struct roots { /* the run's own cgroup in each hierarchy */
	const char *path[MAX_ROOTS];
	int count;
};

static void add_root(struct roots *roots, const char *path)
{
	if (roots->count == MAX_ROOTS)
		errx(2, "more than %d hierarchies", MAX_ROOTS);
	roots->path[roots->count++] = path;
}

/* Move the calling process into the container's cgroup of every hierarchy. */
static void join_cgroups(const struct roots *roots, const char *container)
{
	char path[PATH_MAX];

	for (int i = 0; i < roots->count; i++) {
		snprintf(path, sizeof(path), "%s/%s/cgroup.procs", roots->path[i], container);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			err(1, "%s", path);
		close(fd);
	}
}
