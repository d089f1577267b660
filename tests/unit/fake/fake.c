// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fake.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_netlink.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "../../../libibverbs/by_fd.h"

#define FAKE_SOCKET 4712

struct fake fake;
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;

static struct ibv_device fake_device = { .name = "fake0" };
static struct verbs_context contexts[256];
struct verbs_context *fake_verbs = contexts;
struct ibv_pd fake_pd;
struct ibv_mr fake_mr;
struct ibv_mr fake_upstream_mr;

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t size)
{
	(void)input;
	assert_ptr_equal(context, &fake_context);
	memset(attr, 0, size);
	if (fake.query_device_err)
		return fake.query_device_err;
	attr->odp_caps.general_caps = fake.general_odp_caps;
	attr->odp_caps.per_transport_caps.rc_odp_caps = fake.transport_odp_caps[0];
	attr->odp_caps.per_transport_caps.uc_odp_caps = fake.transport_odp_caps[1];
	attr->odp_caps.per_transport_caps.ud_odp_caps = fake.transport_odp_caps[2];
	return 0;
}

/* Set up a context as libibverbs does when a device is opened. */
static void open_context(void)
{
	static unsigned int opened;

	assert_true(opened < sizeof(contexts) / sizeof(contexts[0]));
	fake_verbs = &contexts[opened++];
	fake_verbs->sz = sizeof(*fake_verbs);
	fake_verbs->query_device_ex = query_device_ex;
	fake_context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	fake_context.device = &fake_device;
	fake_context.cmd_fd = FAKE_CMD_FD;
	fake_pd.context = &fake_context;
	fake_pd.handle = FAKE_PD_HANDLE;
	fake_mr.context = &fake_context;
}

/* ---- sysfs ---- */

static pid_t sysfs_owner;

static void remove_sysfs(void)
{
	if (getpid() != sysfs_owner)
		return;
	fake_mark(NULL, 0);
	rmdir(fake_device.ibdev_path);
}

static void make_sysfs(void)
{
	strcpy(fake_device.ibdev_path, "/tmp/hugeodp-unit.XXXXXX");
	assert_non_null(mkdtemp(fake_device.ibdev_path));
	sysfs_owner = getpid();
	atexit(remove_sysfs);
}

void fake_mark(const void *mark, size_t len)
{
	char path[IBV_SYSFS_PATH_MAX + 16];
	FILE *file;

	snprintf(path, sizeof(path), "%s/hugeodp_abi", fake_device.ibdev_path);
	if (!mark) {
		assert_true(!unlink(path) || errno == ENOENT);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(mark, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

void fake_sysfs_make(struct fake_sysfs *sysfs, const char *ibdev)
{
	int len = (int)strspn(ibdev, "abcdefghijklmnopqrstuvwxyz0123456789");
	bool is_name = len && !strcmp(ibdev + len, "\n");
	FILE *file;

	strcpy(sysfs->dir, "/tmp/hugeodp-unit.XXXXXX");
	assert_non_null(mkdtemp(sysfs->dir));
	snprintf(sysfs->chr, sizeof(sysfs->chr), "%s/%u:%u", sysfs->dir, major(fake.rdev),
		 minor(fake.rdev));
	snprintf(sysfs->ibdev, sizeof(sysfs->ibdev), "%s/ibdev", sysfs->chr);
	snprintf(sysfs->link, sizeof(sysfs->link), "%s/%.*s", sysfs->dir, is_name ? len : 5,
		 is_name ? ibdev : "fake0");
	assert_int_equal(mkdir(sysfs->chr, 0700), 0);
	file = fopen(sysfs->ibdev, "w");
	assert_non_null(file);
	fputs(ibdev, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(symlink(fake_context.device->ibdev_path, sysfs->link), 0);
	by_fd_char_dir = by_fd_class_dir = sysfs->dir;
}

void fake_sysfs_remove(const struct fake_sysfs *sysfs)
{
	unlink(sysfs->ibdev);
	rmdir(sysfs->chr);
	unlink(sysfs->link);
	assert_int_equal(rmdir(sysfs->dir), 0);
}

void fake_kernel(enum fake_form form)
{
	fake.form = form;
	fake.event_fd = -1;
	if (form == FAKE_STOCK)
		fake_mark(NULL, 0);
	else if (form == FAKE_CORE)
		fake_mark("core\n", 5);
	else
		fake_mark("driver\n", 7);
	open_context();
}

/* The form with which the tests run; the build runs them with each. */
static enum fake_form form_under_test(void)
{
	const char *form = getenv("HUGEODP_UNIT_FORM");

	if (form && !strcmp(form, "driver"))
		return FAKE_DRIVER;
	assert_true(!form || !strcmp(form, "core"));
	return FAKE_CORE;
}

int fake_setup(void **state)
{
	static unsigned int next_minor = 192;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.driver_id = FAKE_DRIVER_ID;
	fake.rdev = makedev(231, next_minor++);
	fake.mode = S_IFCHR | 0666;
	fake.mr_is_odp = true;
	fake.caps.page_sizes = FAKE_4K | FAKE_2M | FAKE_1G;
	fake.caps.flags = HUGEODP_ABI_POPULATE;
	fake.state = (struct hugeodp_abi_state){
		.page_sizes = FAKE_4K | FAKE_2M,
		.page_shift = 21,
		.flags = HUGEODP_ABI_POPULATE,
		.blocks_mapped = 3,
		.table_bytes = 1ULL << 40,
		.faults = 5,
		.pages_invalidated = 6,
		.renegotiations = 7,
		.renegotiations_down = 4,
		.faults_refused = 11,
	};
	fake.pages = (struct hugeodp_abi_mr_pages){
		.kind = HUGEODP_ABI_MR_ODP,
		.page_shift = 21,
		.entries = 8,
		.device_bytes = 9ULL << 40,
		.base_pages = 10ULL << 36,
	};
	fake.blocks.mapped[12] = 1;
	fake.blocks.mapped[63] = 2;
	fake.socket_err = EAFNOSUPPORT;
	fake.release = "7.3.4";
	if (!fake_device.ibdev_path[0])
		make_sysfs();
	memset(&fake_mr, 0, sizeof(fake_mr));
	fake_kernel(form_under_test());
	fake_mr.pd = &fake_pd;
	fake_mr.handle = FAKE_MR_HANDLE;
	errno = 0;
	return 0;
}

/* ---- uverbs ---- */

enum attr_kind { ATTR_IDR, ATTR_NEW, ATTR_PD, ATTR_FD, ATTR_IN, ATTR_OUT };

/* The forms of the kernel that know a method or an attribute. */
#define CORE (1u << FAKE_CORE)
#define DRIVER (1u << FAKE_DRIVER)
#define ALL (1u << FAKE_STOCK | CORE | DRIVER)

struct attr_spec {
	uint16_t id;
	enum attr_kind kind;
	uint16_t min_len;
	bool optional;
	unsigned int forms;
};

struct method_spec {
	uint16_t object;
	uint16_t id;
	enum fake_method method;
	unsigned int forms;
	unsigned int nattrs;
	struct attr_spec attrs[14];
};

/* The numbers are literal on purpose, so that a change of the ABI header is detected. */
#define PAGES_SPEC(id_, forms_) \
	{ \
		.object = 0, .id = (id_), .method = FAKE_QUERY_PAGES, .forms = (forms_), \
		.nattrs = 3, \
		.attrs = { \
			{ 0, ATTR_OUT, 16, false, ALL }, \
			{ 1, ATTR_IN, 24, true, ALL }, \
			{ 2, ATTR_OUT, 4, true, ALL }, \
		}, \
	}
#define MODIFY_SPEC(id_, forms_) \
	{ \
		.object = 7, .id = (id_), .method = FAKE_MODIFY_MR, .forms = (forms_), \
		.nattrs = 3, \
		.attrs = { \
			{ 0, ATTR_IDR, 0, false, ALL }, \
			{ 1, ATTR_IN, 24, false, ALL }, \
			{ 2, ATTR_OUT, 4, true, ALL }, \
		}, \
	}

#define WATCH_SPEC(id_, forms_) \
	{ \
		.object = 7, .id = (id_), .method = FAKE_WATCH_MR, .forms = (forms_), .nattrs = 2, \
		.attrs = { \
			{ 0, ATTR_IDR, 0, false, ALL }, \
			{ 1, ATTR_FD, 0, true, ALL }, \
		}, \
	}

static const struct method_spec methods[] = {
	PAGES_SPEC(9, CORE),
	PAGES_SPEC(4096 + 7, DRIVER),
	MODIFY_SPEC(6, CORE),
	MODIFY_SPEC(4096 + 6, DRIVER),
	WATCH_SPEC(7, CORE),
	WATCH_SPEC(4096 + 5, DRIVER),
	{
		.object = 7,
		.id = 1,
		.method = FAKE_DESTROY_MR,
		.forms = ALL,
		.nattrs = 1,
		.attrs = { { 0, ATTR_IDR, 0, false, ALL } },
	},
	{
		.object = 7,
		.id = 2,
		.method = FAKE_ADVISE_MR,
		.forms = ALL,
		.nattrs = 4,
		.attrs = {
			{ 0, ATTR_PD, 0, false, ALL },
			{ 1, ATTR_IN, 8, false, ALL },
			{ 2, ATTR_IN, 4, true, ALL },
			{ 3, ATTR_IN, 16, false, ALL },
		},
	},
	{
		.object = 7,
		.id = 5,
		.method = FAKE_REG_MR,
		.forms = ALL,
		.nattrs = 14,
		.attrs = {
			{ 0, ATTR_NEW, 0, false, ALL },
			{ 1, ATTR_PD, 0, false, ALL },
			{ 3, ATTR_IN, 8, false, ALL },
			{ 4, ATTR_IN, 8, true, ALL },
			{ 5, ATTR_IN, 8, false, ALL },
			{ 6, ATTR_IN, 4, false, ALL },
			{ 9, ATTR_OUT, 4, false, ALL },
			{ 10, ATTR_OUT, 4, false, ALL },
			{ 11, ATTR_IN, 24, true, CORE },
			{ 12, ATTR_OUT, 4, true, CORE },
			{ 13, ATTR_OUT, 8, true, CORE },
			{ 4096 + 28, ATTR_IN, 24, true, DRIVER },
			{ 4096 + 29, ATTR_OUT, 4, true, DRIVER },
			{ 4096 + 30, ATTR_OUT, 8, true, DRIVER },
		},
	},
	{
		.object = 7,
		.id = 3,
		.method = FAKE_QUERY_MR,
		.forms = ALL,
		.nattrs = 8,
		.attrs = {
			{ 0, ATTR_IDR, 0, false, ALL },
			{ 1, ATTR_OUT, 4, false, ALL },
			{ 2, ATTR_OUT, 4, false, ALL },
			{ 3, ATTR_OUT, 8, false, ALL },
			{ 4, ATTR_OUT, 8, true, ALL },
			{ 5, ATTR_OUT, 56, true, CORE },
			{ 6, ATTR_OUT, 512, true, CORE },
			{ 7, ATTR_OUT, 32, true, CORE },
		},
	},
	{
		.object = 7,
		.id = 4096 + 7,
		.method = FAKE_QUERY_MR,
		.forms = DRIVER,
		.nattrs = 4,
		.attrs = {
			{ 0, ATTR_IDR, 0, false, ALL },
			{ 1, ATTR_OUT, 56, true, ALL },
			{ 2, ATTR_OUT, 512, true, ALL },
			{ 3, ATTR_OUT, 32, true, ALL },
		},
	},
};

static const struct fake_numbers numbers[] = {
	[FAKE_CORE] = {
		.query_pages = 9,
		.modify = 6,
		.query = 3,
		.reg_request = 11,
		.reg_entries = 13,
	},
	[FAKE_DRIVER] = {
		.query_pages = 4096 + 7,
		.modify = 4096 + 6,
		.query = 4096 + 7,
		.reg_request = 4096 + 28,
		.reg_entries = 4096 + 30,
	},
};

const struct fake_numbers *fake_numbers(void)
{
	assert_int_not_equal(fake.form, FAKE_STOCK);
	return &numbers[fake.form];
}

static const struct method_spec *find_method(const struct ib_uverbs_ioctl_hdr *hdr,
					     unsigned int forms)
{
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].object == hdr->object_id && methods[i].id == hdr->method_id &&
		    methods[i].forms & forms)
			return &methods[i];
	}
	return NULL;
}

static const struct attr_spec *find_attr(const struct method_spec *method, uint16_t id,
					 unsigned int forms)
{
	unsigned int i;

	if (method->object == 0 && id && !fake.range_shift)
		return NULL;
	for (i = 0; i < method->nattrs; i++) {
		if (method->attrs[i].id == id && method->attrs[i].forms & forms)
			return &method->attrs[i];
	}
	return NULL;
}

/* A number that a stock kernel does not know, although it might do so one day. */
static bool is_ours(const struct ib_uverbs_ioctl_hdr *hdr)
{
	const struct method_spec *method = find_method(hdr, ALL);
	const struct attr_spec *attr;
	unsigned int i;

	if (!method)
		return false;
	if (method->forms != ALL)
		return true;
	for (i = 0; i < hdr->num_attrs; i++) {
		attr = find_attr(method, hdr->attrs[i].attr_id, ALL);
		if (!attr || attr->forms != ALL)
			return true;
	}
	return false;
}

static int parse_attr(const struct method_spec *method, const struct ib_uverbs_attr *attr,
		      struct fake_call *call, uint32_t *seen)
{
	const struct attr_spec *spec = find_attr(method, attr->attr_id, 1u << fake.form);
	uint32_t bit;

	if (!spec)
		return attr->flags & UVERBS_ATTR_F_MANDATORY ? EPROTONOSUPPORT : 0;
	bit = 1u << (spec - method->attrs);
	if (*seen & bit || attr->attr_data.reserved)
		return EINVAL;
	*seen |= bit;
	if (spec->kind == ATTR_NEW)
		return attr->len ? EINVAL : 0;
	if (spec->kind == ATTR_PD)
		return attr->len ? EINVAL : attr->data == FAKE_PD_HANDLE ? 0 : ENOENT;
	if (spec->kind == ATTR_IDR) {
		if (fake.many_mrs && attr->data > FAKE_MR_HANDLE)
			return attr->len ? EINVAL : 0;
		return attr->len ? EINVAL : attr->data == FAKE_MR_HANDLE ? 0 : ENOENT;
	}
	if (spec->kind == ATTR_FD) {
		fake.event_fd = (int)attr->data_s64;
		return attr->len || attr->data_s64 < INT_MIN || attr->data_s64 > INT_MAX ? EINVAL
											 : 0;
	}
	if (attr->len < spec->min_len)
		return spec->kind == ATTR_OUT ? ENOSPC : EINVAL;
	if (spec->kind == ATTR_IN && attr->len > sizeof(attr->data)) {
		assert_true(attr->len <= sizeof(call->in));
		memcpy(call->in, (void *)(uintptr_t)attr->data, attr->len);
		call->in_len = attr->len;
	}
	return 0;
}

static void put_out(const struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, const void *data,
		    size_t len)
{
	unsigned int i;

	for (i = 0; i < hdr->num_attrs; i++) {
		if (hdr->attrs[i].attr_id != id)
			continue;
		memset((void *)(uintptr_t)hdr->attrs[i].data, 0, hdr->attrs[i].len);
		memcpy((void *)(uintptr_t)hdr->attrs[i].data, data, len);
	}
}

/* The kernel writes the handle before it knows whether the registration succeeds. */
static void put_handle(struct ib_uverbs_ioctl_hdr *hdr)
{
	unsigned int i;

	for (i = 0; i < hdr->num_attrs; i++) {
		if (hdr->attrs[i].attr_id == 0)
			hdr->attrs[i].data = FAKE_MR_HANDLE;
	}
}

static bool has_attr(const struct ib_uverbs_ioctl_hdr *hdr, uint16_t id)
{
	unsigned int i;

	for (i = 0; i < hdr->num_attrs; i++)
		if (hdr->attrs[i].attr_id == id)
			return true;
	return false;
}

static int query_mr(const struct ib_uverbs_ioctl_hdr *hdr, const struct method_spec *method)
{
	static const uint64_t length = 1 << 20;
	static const uint32_t key = 0xabcd;
	const bool core = method->forms == ALL;

	if (core) {
		put_out(hdr, 1, &key, sizeof(key));
		put_out(hdr, 2, &key, sizeof(key));
		put_out(hdr, 3, &length, sizeof(length));
		put_out(hdr, 4, &fake.iova, sizeof(fake.iova));
		if (fake.form != FAKE_CORE)
			return 0;
	}
	if (!fake.mr_is_odp && (has_attr(hdr, core ? 5 : 1) || has_attr(hdr, core ? 6 : 2)))
		return EINVAL;
	if (fake.no_pages && has_attr(hdr, core ? 7 : 3))
		return EOPNOTSUPP;
	put_out(hdr, core ? 5 : 1, &fake.state, sizeof(fake.state));
	put_out(hdr, core ? 6 : 2, &fake.blocks, sizeof(fake.blocks));
	put_out(hdr, core ? 7 : 3, &fake.pages, sizeof(fake.pages));
	return 0;
}

static int run_method(const struct ib_uverbs_ioctl_hdr *hdr, const struct method_spec *method,
		      const struct fake_call *call)
{
	static const uint32_t key = 0xabcd;
	int err = fake.method_err[method->method];

	if (err == E2BIG && method->method == FAKE_REG_MR)
		put_out(hdr, fake_numbers()->reg_entries, &fake.entries_needed,
			sizeof(fake.entries_needed));
	if (err)
		return err;
	switch (method->method) {
	case FAKE_QUERY_PAGES:
		put_out(hdr, 0, &fake.caps, sizeof(fake.caps));
		put_out(hdr, 2, &fake.range_shift, sizeof(fake.range_shift));
		return 0;
	case FAKE_MODIFY_MR:
		return fake.mr_is_odp ? 0 : EINVAL;
	case FAKE_ADVISE_MR:
		if (fake.advise)
			return fake.advise(call);
		/* fall through */
	case FAKE_WATCH_MR:
		return fake.mr_is_odp ? 0 : EINVAL;
	case FAKE_DESTROY_MR:
		fake.kernel_mrs--;
		return 0;
	case FAKE_REG_MR:
		put_out(hdr, 9, &key, sizeof(key));
		put_out(hdr, 10, &key, sizeof(key));
		fake.kernel_mrs++;
		return 0;
	default:
		return query_mr(hdr, method);
	}
}

static int do_ioctl(unsigned long request, struct ib_uverbs_ioctl_hdr *hdr)
{
	const struct method_spec *method;
	struct fake_call *call;
	uint32_t seen = 0;
	unsigned int i;
	int err;

	if (request != 0xc0181b01)
		return ENOTTY;
	/* keep the first calls; all further ones share the last slot */
	call = &fake.calls[fake.ncalls < FAKE_MAX_CALLS ? fake.ncalls : FAKE_MAX_CALLS - 1];
	fake.ncalls++;
	assert_true(hdr->length <= sizeof(call->bytes));
	memcpy(call->bytes, hdr, hdr->length);
	call->len = hdr->length;
	fake.nours += is_ours(hdr);

	if (fake.interrupt) {
		fake.interrupt--;
		return EINTR;
	}
	if (fake.ioctl_err)
		return fake.ioctl_err;
	if (hdr->length != sizeof(*hdr) + hdr->num_attrs * sizeof(hdr->attrs[0]))
		return EINVAL;
	if (hdr->reserved1 || hdr->reserved2)
		return EPROTONOSUPPORT;
	if (hdr->driver_id != fake.driver_id)
		return EINVAL;
	method = find_method(hdr, 1u << fake.form);
	if (!method)
		return EPROTONOSUPPORT;
	for (i = 0; i < hdr->num_attrs; i++) {
		err = parse_attr(method, &hdr->attrs[i], call, &seen);
		if (err)
			return err;
	}
	for (i = 0; i < method->nattrs; i++) {
		if (!method->attrs[i].optional && !(seen & 1u << i))
			return EINVAL;
	}
	if (method->method == FAKE_REG_MR)
		put_handle(hdr);
	return run_method(hdr, method, call);
}

/* ---- /proc ---- */

/* The kernel's ioctl numbers and member offsets. */
#define PROCMAP_QUERY_NUMBER 0xc0686611
#define PAGEMAP_SCAN_NUMBER 0xc0606610

static int procmap_query(uint64_t *arg)
{
	const struct fake_vma *vma;
	unsigned int i;

	fake.nprocmap++;
	assert_int_equal(arg[0], 104);
	/* readable, writable, ... and "or the next one" */
	assert_int_equal(arg[1], 0x10);
	for (i = 0; i < fake.nvmas; i++) {
		vma = &fake.vmas[i];
		if (vma->end <= arg[2])
			continue;
		arg[3] = vma->start;
		arg[4] = vma->end;
		arg[5] = vma->flags;
		arg[6] = vma->page_size;
		arg[7] = 0;
		arg[8] = vma->inode;
		return 0;
	}
	return ENOENT;
}

static uint64_t page_state(uint64_t addr, uint64_t *until)
{
	const struct fake_vma *vma;
	unsigned int i;

	for (i = 0; i < fake.nvmas; i++) {
		vma = &fake.vmas[i];
		if (addr < vma->start || addr >= vma->end)
			continue;
		*until = vma->end;
		if (vma->small && addr >= vma->small)
			return 1 << 3;
		if (vma->small)
			*until = vma->small;
		return vma->pages == FAKE_PAGES_HUGE	? 1 << 3 | 1 << 6
		       : vma->pages == FAKE_PAGES_SMALL ? 1 << 3
							: 0;
	}
	*until = UINT64_MAX;
	return 0;
}

static int pagemap_scan(uint64_t *arg, int *found)
{
	uint64_t *region = (uint64_t *)(uintptr_t)arg[5];
	uint64_t addr = arg[2];
	uint64_t state, until;

	if (fake.pagemap_err)
		return fake.pagemap_err;
	assert_int_equal(arg[0], 96);
	assert_int_equal(arg[1], 0);
	assert_int_equal(arg[6], 1);
	assert_true(arg[7] <= 1);
	*found = 0;
	for (; addr < arg[3]; addr = until) {
		state = page_state(addr, &until);
		if (((state ^ arg[8]) & arg[9]) != arg[9])
			continue;
		region[0] = addr;
		region[1] = addr + 4096;
		/* without a limit, all neighbours of the same kind */
		if (!arg[7])
			region[1] = until < arg[3] ? until : arg[3];
		region[2] = state & arg[11];
		*found = 1;
		return 0;
	}
	return 0;
}

static int proc_ioctl(unsigned long request, void *arg, int *ret)
{
	*ret = 0;
	if (!fake.vmas)
		return ENOTTY;
	if (request == PROCMAP_QUERY_NUMBER)
		return procmap_query(arg);
	if (request == PAGEMAP_SCAN_NUMBER)
		return pagemap_scan(arg, ret);
	return ENOTTY;
}

int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = 0;
	int err;

	pthread_mutex_lock(&fake_lock);
	if (fd == FAKE_CMD_FD)
		err = do_ioctl(request, arg);
	else
		err = proc_ioctl(request, arg, &ret);
	pthread_mutex_unlock(&fake_lock);
	if (!err)
		return ret;
	errno = err;
	return -1;
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st)
{
	if (fd != FAKE_CMD_FD)
		return __real_fstat(fd, st);
	pthread_mutex_lock(&fake_lock);
	fake.nfstat++;
	pthread_mutex_unlock(&fake_lock);
	memset(st, 0, sizeof(*st));
	st->st_mode = fake.mode;
	st->st_rdev = fake.rdev;
	return 0;
}

static bool is_search(const struct fake_call *call)
{
	uint16_t object;

	memcpy(&object, call->bytes + 2, sizeof(object));
	return object == 0x0fff;
}

unsigned int fake_real_calls(void)
{
	unsigned int real = 0;
	unsigned int i;

	assert_true(fake.ncalls < FAKE_MAX_CALLS);
	for (i = 0; i < fake.ncalls; i++)
		real += !is_search(&fake.calls[i]);
	return real;
}

const struct fake_call *fake_last_call(void)
{
	assert_true(fake.ncalls > 0 && fake.ncalls < FAKE_MAX_CALLS);
	return &fake.calls[fake.ncalls - 1];
}

static size_t put(unsigned char *to, size_t at, uint64_t value, size_t size)
{
	uint16_t value16 = (uint16_t)value;
	uint32_t value32 = (uint32_t)value;

	memcpy(to + at,
	       size == 2   ? (void *)&value16
	       : size == 4 ? (void *)&value32
			   : (void *)&value,
	       size);
	return at + size;
}

/* The query of an MR: a method of the core, or one of the driver */
static void expect_query_mr(const struct fake_call *call, const struct fake_attr *core,
			    unsigned int ncore, const struct fake_attr *driver,
			    unsigned int ndriver)
{
	if (fake.form == FAKE_CORE)
		fake_expect_call(call, 7, 3, core, ncore);
	else
		fake_expect_call(call, 7, 4096 + 7, driver, ndriver);
}

void fake_expect_query(const struct fake_call *call)
{
	static const struct fake_attr core[] = {
		{ 0, 0, FAKE_MR_HANDLE }, { 1, 4, FAKE_POINTER },  { 2, 4, FAKE_POINTER },
		{ 3, 8, FAKE_POINTER },	  { 5, 72, FAKE_POINTER }, { 6, 512, FAKE_POINTER },
	};
	static const struct fake_attr driver[] = {
		{ 0, 0, FAKE_MR_HANDLE },
		{ 1, 72, FAKE_POINTER },
		{ 2, 512, FAKE_POINTER },
	};

	expect_query_mr(call, core, 6, driver, 3);
}

void fake_expect_query_pages(const struct fake_call *call)
{
	static const struct fake_attr core[] = {
		{ 0, 0, FAKE_MR_HANDLE }, { 1, 4, FAKE_POINTER },  { 2, 4, FAKE_POINTER },
		{ 3, 8, FAKE_POINTER },	  { 7, 32, FAKE_POINTER },
	};
	static const struct fake_attr driver[] = {
		{ 0, 0, FAKE_MR_HANDLE },
		{ 3, 32, FAKE_POINTER },
	};

	expect_query_mr(call, core, 5, driver, 2);
}

void fake_expect_call(const struct fake_call *call, uint16_t object, uint16_t method,
		      const struct fake_attr *attrs, unsigned int nattrs)
{
	unsigned char expect[sizeof(call->bytes)];
	unsigned char bytes[sizeof(call->bytes)];
	size_t data_at;
	unsigned int i;
	uint64_t data;
	size_t at = 0;

	memcpy(bytes, call->bytes, sizeof(bytes));
	at = put(expect, at, 24 + 16 * nattrs, 2);
	at = put(expect, at, object, 2);
	at = put(expect, at, method, 2);
	at = put(expect, at, nattrs, 2);
	at = put(expect, at, 0, 8);
	at = put(expect, at, fake.driver_id, 4);
	at = put(expect, at, 0, 4);
	for (i = 0; i < nattrs; i++) {
		at = put(expect, at, attrs[i].id, 2);
		at = put(expect, at, attrs[i].len, 2);
		at = put(expect, at, 1, 2);
		at = put(expect, at, 0, 2);
		data_at = at;
		/* a short value is in the first bytes, whatever the byte order */
		if (attrs[i].len && attrs[i].len < 8) {
			at = put(expect, at, attrs[i].data, attrs[i].len);
			at = put(expect, at, 0, 8 - attrs[i].len);
		} else {
			at = put(expect, at, attrs[i].data, 8);
		}
		if (attrs[i].data != FAKE_POINTER)
			continue;
		memcpy(&data, bytes + data_at, sizeof(data));
		assert_true(data > 4096);
		memcpy(expect + data_at, &data, sizeof(data));
	}
	assert_int_equal(call->len, at);
	assert_memory_equal(bytes, expect, at);
}

int __wrap_uname(struct utsname *uts);
int __wrap_uname(struct utsname *uts)
{
	memset(uts, 0, sizeof(*uts));
	strncpy(uts->release, fake.release, sizeof(uts->release) - 1);
	return 0;
}

/* ---- RDMA netlink ---- */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
	assert_int_equal(domain, AF_NETLINK);
	assert_int_equal(type & ~SOCK_CLOEXEC, SOCK_RAW);
	assert_true(type & SOCK_CLOEXEC);
	assert_int_equal(protocol, NETLINK_RDMA);
	if (fake.socket_err) {
		errno = fake.socket_err;
		return -1;
	}
	pthread_mutex_lock(&fake_lock);
	fake.open_sockets++;
	pthread_mutex_unlock(&fake_lock);
	return FAKE_SOCKET;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int on;

	assert_int_equal(fd, FAKE_SOCKET);
	assert_int_equal(level, SOL_NETLINK);
	assert_int_equal(len, sizeof(on));
	memcpy(&on, value, sizeof(on));
	assert_int_equal(on, 1);
	fake.socket_options |= 1u << name;
	return 0;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (fd != FAKE_SOCKET)
		return __real_close(fd);
	pthread_mutex_lock(&fake_lock);
	fake.open_sockets--;
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
	(void)flags;
	assert_int_equal(fd, FAKE_SOCKET);
	if (fake.send_err) {
		errno = fake.send_err;
		return -1;
	}
	if (fake.nsent < sizeof(fake.sent) / sizeof(fake.sent[0])) {
		assert_true(len <= sizeof(fake.sent[0]));
		memcpy(fake.sent[fake.nsent], data, len);
		fake.sent_len[fake.nsent] = len;
	}
	fake.nsent++;
	return (ssize_t)len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	const struct fake_datagram *datagram;
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	size_t len;

	assert_int_equal(fd, FAKE_SOCKET);
	assert_true(flags & MSG_DONTWAIT);
	if (fake.interrupt_recv) {
		fake.interrupt_recv--;
		errno = EINTR;
		return -1;
	}
	if (fake.next_datagram == fake.ndatagrams) {
		errno = EAGAIN;
		return -1;
	}
	datagram = &fake.datagrams[fake.next_datagram++];
	from.nl_pid = datagram->sender;
	memcpy(msg->msg_name, &from, sizeof(from));
	len = datagram->len < msg->msg_iov->iov_len ? datagram->len : msg->msg_iov->iov_len;
	if (len)
		memcpy(msg->msg_iov->iov_base, datagram->data, len);
	msg->msg_flags = datagram->msg_flags;
	return (ssize_t)len;
}

void fake_msg_start(struct fake_msg *msg, uint16_t type, uint32_t seq)
{
	struct nlmsghdr hdr = { .nlmsg_type = type, .nlmsg_seq = seq };

	memset(msg, 0, sizeof(*msg));
	memcpy(msg->data, &hdr, sizeof(hdr));
	msg->len = sizeof(hdr);
}

void fake_msg_attr(struct fake_msg *msg, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr attr = { .nla_type = type, .nla_len = NLA_HDRLEN + len };

	assert_true(msg->len + NLA_ALIGN(attr.nla_len) <= sizeof(msg->data));
	memcpy(msg->data + msg->len, &attr, sizeof(attr));
	memcpy(msg->data + msg->len + NLA_HDRLEN, data, len);
	msg->len += NLA_ALIGN(attr.nla_len);
}

void fake_msg_end(struct fake_msg *msg)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)msg->data;

	hdr->nlmsg_len = (uint32_t)msg->len;
}

void fake_queue(const void *data, size_t len)
{
	assert_true(fake.ndatagrams < FAKE_MAX_DATAGRAMS);
	fake.datagrams[fake.ndatagrams++] = (struct fake_datagram){ .data = data, .len = len };
}

void fake_queue_answer(struct fake_answer *answer, const char *name, uint32_t driver_id)
{
	const uint64_t chardev = (minor(fake.rdev) & 0xff) | major(fake.rdev) << 8 |
				 (minor(fake.rdev) & ~0xffu) << 12;
	const uint32_t index = 77;
	const uint64_t abi = 1;

	fake.socket_err = 0;
	fake_msg_start(&answer->devices, 5 << 10 | 1, 1);
	fake_msg_attr(&answer->devices, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	fake_msg_attr(&answer->devices, RDMA_NLDEV_ATTR_DEV_NAME, name,
		      (uint16_t)(strlen(name) + 1));
	fake_msg_end(&answer->devices);
	fake_queue(answer->devices.data, answer->devices.len);

	fake_msg_start(&answer->done, NLMSG_DONE, 1);
	fake_msg_end(&answer->done);
	fake_queue(answer->done.data, answer->done.len);

	fake_msg_start(&answer->chardev, 5 << 10 | 15, 2);
	fake_msg_attr(&answer->chardev, RDMA_NLDEV_ATTR_UVERBS_DRIVER_ID, &driver_id,
		      sizeof(driver_id));
	fake_msg_attr(&answer->chardev, RDMA_NLDEV_ATTR_CHARDEV, &chardev, sizeof(chardev));
	fake_msg_attr(&answer->chardev, RDMA_NLDEV_ATTR_CHARDEV_ABI, &abi, sizeof(abi));
	fake_msg_attr(&answer->chardev, RDMA_NLDEV_ATTR_CHARDEV_NAME, "uverbs0", 8);
	fake_msg_end(&answer->chardev);
	fake_queue(answer->chardev.data, answer->chardev.len);
}

/* ---- libibverbs ---- */

/* Fill in an MR as a provider does. */
static struct ibv_mr *new_mr(void)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));

	assert_non_null(mr);
	mr->context = fake.reg_pd->context;
	mr->pd = fake.reg_pd;
	mr->addr = fake.reg_addr;
	mr->length = fake.reg_length;
	mr->handle = FAKE_MR_HANDLE + 1 + fake.next_mr++;
	mr->lkey = mr->rkey = mr->handle << 8 | (fake.next_mr & 0xff);
	return mr;
}

static struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			     unsigned int access)
{
	fake.nreg++;
	fake.reg_pd = pd;
	fake.reg_addr = addr;
	fake.reg_length = length;
	fake.reg_iova = iova;
	fake.reg_access = access;
	if (fake.reg_err || (access & IBV_ACCESS_HUGETLB && fake.hugetlb_err)) {
		errno = fake.reg_err ? fake.reg_err : fake.hugetlb_err;
		return NULL;
	}
	return fake.many_mrs ? new_mr() : &fake_mr;
}

struct ibv_mr *__wrap_ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
struct ibv_mr *__wrap_ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access)
{
	struct ibv_mr *mr;

	pthread_mutex_lock(&fake_lock);
	mr = reg_mr(pd, addr, length, iova, access);
	pthread_mutex_unlock(&fake_lock);
	return mr;
}

struct ibv_mr *__wrap_ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
					uint64_t iova, int fd, int access);
struct ibv_mr *__wrap_ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
					uint64_t iova, int fd, int access)
{
	fake.ndmabuf++;
	fake.reg_pd = pd;
	fake.dmabuf_offset = offset;
	fake.reg_length = length;
	fake.reg_iova = iova;
	fake.dmabuf_fd = fd;
	fake.reg_access = (unsigned int)access;
	return &fake_mr;
}

/* Set all members but the address, which only the registering process knows. */
struct ibv_mr *__wrap_ibv_import_mr(struct ibv_pd *pd, uint32_t handle);
struct ibv_mr *__wrap_ibv_import_mr(struct ibv_pd *pd, uint32_t handle)
{
	assert_int_equal(handle, FAKE_MR_HANDLE);
	fake.nimport++;
	if (fake.import_err) {
		errno = fake.import_err;
		return NULL;
	}
	fake_mr = (struct ibv_mr){
		.context = pd->context,
		.pd = pd,
		.handle = handle,
		.length = 1,
		.lkey = 0xabcd,
		.rkey = 0xabcd,
	};
	return &fake_mr;
}

int __wrap_ibv_dereg_mr(struct ibv_mr *mr);
int __wrap_ibv_dereg_mr(struct ibv_mr *mr)
{
	pthread_mutex_lock(&fake_lock);
	assert_true(fake.many_mrs || mr == &fake_mr);
	fake.ndereg++;
	pthread_mutex_unlock(&fake_lock);
	if (mr != &fake_mr)
		free(mr);
	errno = fake.dereg_err ? fake.dereg_err : EDOM;
	return fake.dereg_err;
}

static struct ibv_mr *upstream_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	pthread_mutex_lock(&fake_lock);
	fake.nupstream++;
	fake.upstream_pd = pd;
	fake.upstream_attr = attr;
	pthread_mutex_unlock(&fake_lock);
	return &fake_upstream_mr;
}

static int fake_handle;

void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
	assert_string_equal(name, "libibverbs.so.1");
	assert_true(flags & RTLD_NOLOAD);
	pthread_mutex_lock(&fake_lock);
	fake.ndlopen++;
	pthread_mutex_unlock(&fake_lock);
	return fake.no_libibverbs ? NULL : &fake_handle;
}

void *__real_dlvsym(void *handle, const char *name, const char *version);
void *__wrap_dlvsym(void *handle, const char *name, const char *version);
void *__wrap_dlvsym(void *handle, const char *name, const char *version)
{
	if (handle == RTLD_NEXT && fake.next && !strncmp(name, "ibv_", 4))
		return fake.next(name, version);
	/* a lookup by the sanitizers' run time, which clang links into the program */
	if (handle != &fake_handle)
		return __real_dlvsym(handle, name, version);
	assert_string_equal(name, "ibv_reg_mr_ex");
	assert_string_equal(version, "IBVERBS_1.15");
	return fake.has_upstream ? (void *)upstream_reg_mr_ex : NULL;
}

void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name)
{
	if (handle == RTLD_NEXT && !strcmp(name, "ibv_reg_mr_ex"))
		return fake.has_upstream ? (void *)upstream_reg_mr_ex : NULL;
	return __real_dlsym(handle, name);
}

int __wrap_dlclose(void *handle);
int __wrap_dlclose(void *handle)
{
	assert_ptr_equal(handle, &fake_handle);
	fake.ndlclose++;
	return 0;
}
