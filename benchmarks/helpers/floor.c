/*
 * The floor: the least that a FUSE server can do. Serves each file given on the command line
 * from memory, as it was at the start: no caller, no cgroups, no rendering.
 *
 * floor MOUNTPOINT FILE...       (MOUNTPOINT/meminfo has the text of /proc/meminfo)
 *
 * Replies are cached by the kernel just as for the daemons: names and attributes are, text is not
 * (direct_io).
 */
#define FUSE_USE_VERSION 312
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MAX_FILES 16
#define FIRST_INODE (FUSE_ROOT_ID + 1)
#define FOR_EVER 86400.0

static struct file {
	const char *name;
	char text[64 * 1024];
	size_t size;
} files[MAX_FILES];
static unsigned int file_count;

static void load(struct file *file, const char *path)
{
	ssize_t got;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(1, "%s", path);
	while ((got = read(fd, file->text + file->size, sizeof(file->text) - file->size)) > 0)
		file->size += got;
	close(fd);
	const char *slash = strrchr(path, '/');
	file->name = slash ? slash + 1 : path;
}

static struct stat attributes(fuse_ino_t inode)
{
	struct stat st = { .st_ino = inode, .st_nlink = 1, .st_mode = S_IFREG | 0444 };

	if (inode == FUSE_ROOT_ID)
		st.st_mode = S_IFDIR | 0555;
	return st;
}

static void lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	(void)parent;
	for (unsigned int i = 0; i < file_count; i++) {
		if (strcmp(files[i].name, name))
			continue;
		struct fuse_entry_param entry = {
			.ino = FIRST_INODE + i,
			.attr = attributes(FIRST_INODE + i),
			.attr_timeout = FOR_EVER,
			.entry_timeout = FOR_EVER,
		};
		fuse_reply_entry(request, &entry);
		return;
	}
	fuse_reply_err(request, ENOENT);
}

static void get_attributes(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct stat st = attributes(inode);

	(void)info;
	fuse_reply_attr(request, &st, FOR_EVER);
}

static void open_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->direct_io = 1;
	fuse_reply_open(request, info);
}

static void read_file(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		      struct fuse_file_info *info)
{
	struct file *file = &files[inode - FIRST_INODE];
	size_t from = (size_t)offset < file->size ? (size_t)offset : file->size;
	size_t left = file->size - from;

	(void)info;
	fuse_reply_buf(request, file->text + from, left < size ? left : size);
}

int main(int argc, char **argv)
{
	static const struct fuse_lowlevel_ops operations = {
		.lookup = lookup, .getattr = get_attributes, .open = open_file, .read = read_file,
	};
	char *options[] = { argv[0], "-oallow_other,fsname=lxcfs-py-floor", NULL };
	struct fuse_args arguments = FUSE_ARGS_INIT(2, options);

	if (argc < 3 || argc - 2 > MAX_FILES)
		errx(2, "usage: floor MOUNTPOINT FILE...");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 2; i < argc; i++)
		load(&files[file_count++], argv[i]);
	struct fuse_session *session =
		fuse_session_new(&arguments, &operations, sizeof(operations), NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[1]))
		return 1;
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return 0;
}
