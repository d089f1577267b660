// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp mr and hugeodp info: what they print of devices and memory regions, to the byte. */
#include "fake.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <rdma/rdma_netlink.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/uverbs/kernel_side.h"
#include "../../libibverbs/uverbs/rdma_netlink.h"
#include "../../tools/mr.h"
#include "../../tools/pools.h"

static struct ibv_device first = { .name = "one_0", .dev_name = "nowhere0" };
static struct ibv_device second = { .name = "two_1", .dev_name = "nowhere1" };
static struct ibv_device *devices[3];
static int ndevices;

static struct {
	const unsigned char *message;
	size_t len;
	int netlink_err;
	/* each dump is made again after its first messages, of which the second device has some, too */
	bool interrupted;
	int open_err;
	int side_err;
	int query_err;
	bool has_side;
	struct ibv_device_odp_attr pages;
	struct pool pools[3];
	size_t npools;
} system_has;

struct ibv_device **__wrap_ibv_get_device_list(int *n);
struct ibv_device **__wrap_ibv_get_device_list(int *n)
{
	*n = ndevices;
	return ndevices ? devices : NULL;
}

void __wrap_ibv_free_device_list(struct ibv_device **list);
void __wrap_ibv_free_device_list(struct ibv_device **list)
{
	assert_ptr_equal(list, devices);
}

struct ibv_context *__wrap_ibv_open_device(struct ibv_device *device);
struct ibv_context *__wrap_ibv_open_device(struct ibv_device *device)
{
	(void)device;
	errno = system_has.open_err;
	return system_has.open_err ? NULL : &fake_context;
}

static int closed;

int __wrap_ibv_close_device(struct ibv_context *context);
int __wrap_ibv_close_device(struct ibv_context *context)
{
	assert_ptr_equal(context, &fake_context);
	closed++;
	return 0;
}

int __wrap_kernel_side_read(const struct ibv_device *device, const struct kernel_side **side);
int __wrap_kernel_side_read(const struct ibv_device *device, const struct kernel_side **side)
{
	static const struct kernel_side one = { .name = "a series" };

	(void)device;
	*side = system_has.has_side ? &one : NULL;
	return system_has.side_err;
}

int __wrap_ibv_query_device_odp(struct ibv_context *context, struct ibv_device_odp_attr *attr,
				size_t size);
int __wrap_ibv_query_device_odp(struct ibv_context *context, struct ibv_device_odp_attr *attr,
				size_t size)
{
	(void)context;
	assert_int_equal(size, sizeof(*attr));
	*attr = system_has.pages;
	return system_has.query_err;
}

size_t __wrap_pools_read(struct pool *pools, size_t room);
size_t __wrap_pools_read(struct pool *pools, size_t room)
{
	assert_true(room >= system_has.npools);
	memcpy(pools, system_has.pools, sizeof(system_has.pools));
	return system_has.npools;
}

int __wrap_rdma_netlink_mrs(const char *device, nl_message_fn message, nl_restart_fn restart,
			    void *arg);
int __wrap_rdma_netlink_mrs(const char *device, nl_message_fn message, nl_restart_fn restart,
			    void *arg)
{
	const struct nl_attrs attrs = { system_has.message, system_has.len }, none = { NULL, 0 };
	int err;

	if (system_has.netlink_err)
		return system_has.netlink_err;
	/* a message about something else, and one for the first device alone */
	err = message(&none, arg);
	if (err || (strcmp(device, first.name) != 0 && !system_has.interrupted))
		return err;
	if (system_has.interrupted) {
		err = message(&attrs, arg);
		restart(arg);
		if (err || strcmp(device, first.name) != 0)
			return err;
	}
	return message(&attrs, arg);
}

static int setup(void **state)
{
	fake_setup(state);
	thp_dir = RECORDED "/thp-madvise";
	memset(&system_has, 0, sizeof(system_has));
	fake.release = "6.12.0";
	devices[0] = &first;
	devices[1] = &second;
	ndevices = 2;
	closed = 0;
	return 0;
}

/* ---- output ---- */

static char printed[2][1 << 14];

static void read_back(int from, int to, FILE *file, char *text)
{
	ssize_t n = pread(to, text, sizeof(printed[0]) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	dup2(from, fileno(file));
	close(from);
	close(to);
}

/* Run a command: its status, and what it prints in "printed". */
static int run(int (*command)(const struct tool *tool, int argc, char **argv),
	       const struct tool *tool, int argc)
{
	static char word[] = "word", *words[] = { word, NULL };
	FILE *files[] = { stdout, stderr };
	int kept[2], to[2], i, status;

	for (i = 0; i < 2; i++) {
		char name[] = "/tmp/test_devices.XXXXXX";

		fflush(files[i]);
		kept[i] = dup(fileno(files[i]));
		to[i] = mkstemp(name);
		assert_true(to[i] >= 0);
		unlink(name);
		dup2(to[i], fileno(files[i]));
	}
	status = command(tool, argc, words);
	for (i = 0; i < 2; i++) {
		fflush(files[i]);
		read_back(kept[i], to[i], files[i], printed[i]);
	}
	return status;
}

/*
 * The width of a column without its heading is up to libsmartcols. Compare what was printed without
 * the blanks before and between words.
 */
static void printed_words(const char *want)
{
	const char *from = printed[0];
	char *to = printed[0];
	bool blank = true;

	for (; *from; from++) {
		if (*from != ' ' || !blank)
			*to++ = *from;
		blank = *from == ' ' || *from == '\n';
	}
	*to = '\0';
	assert_string_equal(printed[0], want);
}

static void prints(int (*command)(const struct tool *tool, int argc, char **argv),
		   const struct tool *tool, int status, const char *out, const char *err)
{
	assert_int_equal(run(command, tool, 0), status);
	assert_string_equal(printed[0], out);
	assert_string_equal(printed[1], err);
}

/* ---- messages ---- */

static unsigned char bytes[1 << 13];
static size_t filled;

static void put(uint16_t type, const void *data, size_t len)
{
	const uint16_t head[] = { (uint16_t)(len + 4), type };

	memcpy(bytes + filled, head, 4);
	if (len)
		memcpy(bytes + filled + 4, data, len);
	filled += (len + 7) & ~(size_t)3;
}

static void put32(uint16_t type, uint32_t value)
{
	put(type, &value, sizeof(value));
}

static void put64(uint16_t type, uint64_t value)
{
	put(type, &value, sizeof(value));
}

static void put_text(uint16_t type, const char *text)
{
	put(type, text, strlen(text) + 1);
}

static size_t begin(uint16_t type)
{
	put(type | 0x8000, NULL, 0);
	return filled;
}

static void end(size_t start)
{
	const uint16_t len = (uint16_t)(filled - start + 4);

	memcpy(bytes + start - 4, &len, sizeof(len));
}

static void put_driver(const char *name, uint64_t value)
{
	const size_t entry = begin(RDMA_NLDEV_ATTR_DRIVER_ENTRY);

	put_text(RDMA_NLDEV_ATTR_DRIVER_STRING, name);
	put32(RDMA_NLDEV_ATTR_DRIVER_PRINT_TYPE, 0);
	put64(RDMA_NLDEV_ATTR_DRIVER_U64, value);
	end(entry);
}

static void put_kind(const char *name, const char *kind)
{
	put_text(RDMA_NLDEV_ATTR_DRIVER_STRING, name);
	put_text(RDMA_NLDEV_ATTR_DRIVER_STRING, kind);
}

/* Regions of processes that do not exist, of this one, and of the kernel. */
static void regions(void)
{
	size_t table, entry, driver;

	filled = 0;
	table = begin(RDMA_NLDEV_ATTR_RES_MR);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 1);
	put64(RDMA_NLDEV_ATTR_RES_MRLEN, 4 << 20);
	put32(RDMA_NLDEV_ATTR_RES_PID, 999999999);
	put32(RDMA_NLDEV_ATTR_RES_LKEY, 77);
	driver = begin(RDMA_NLDEV_ATTR_DRIVER);
	put_kind("kind", "odp");
	put_driver("page_shift", 21);
	put_driver("entries", 2);
	put_driver("device_bytes", 16);
	put_driver("odp_blocks_mapped", 1);
	put_driver("odp_table_bytes", 4096);
	put_driver("odp_faults", 3);
	put_driver("odp_invalidated", 5);
	put_driver("other", 99);
	end(driver);
	end(entry);
	/* not an entry */
	put32(RDMA_NLDEV_ATTR_RES_MRN, 1000);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 2);
	put64(RDMA_NLDEV_ATTR_RES_MRLEN, 4097);
	put32(RDMA_NLDEV_ATTR_RES_PID, 999999999);
	driver = begin(RDMA_NLDEV_ATTR_DRIVER);
	put_kind("odp", "explicit");
	put_driver("odp_faults", UINT64_MAX);
	put_driver("entries", 7);
	end(driver);
	end(entry);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 3);
	put64(RDMA_NLDEV_ATTR_RES_MRLEN, (2 << 20) + 1);
	put_text(RDMA_NLDEV_ATTR_RES_KERN_NAME, "ib_core");
	driver = begin(RDMA_NLDEV_ATTR_DRIVER);
	put_kind("odp", "implicit");
	put_kind("kind", "a kind that is long");
	end(driver);
	end(entry);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 4);
	put64(RDMA_NLDEV_ATTR_RES_MRLEN, 4096);
	put32(RDMA_NLDEV_ATTR_RES_PID, 999999998);
	driver = begin(RDMA_NLDEV_ATTR_DRIVER);
	put_kind("odp", "implicit");
	end(driver);
	end(entry);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 5);
	put_text(RDMA_NLDEV_ATTR_RES_KERN_NAME, "a\"b\\c\x01");
	end(entry);
	end(table);
	system_has.message = bytes;
	system_has.len = filled;
}

static void mr_json(void **state)
{
	static const char want[] =
		"[{\"device\": \"one_0\", \"mrn\": 1, \"length\": 4194304, \"pid\": 999999999, "
		"\"lkey\": 77, \"kind\": \"odp\", \"page_shift\": 21, \"entries\": 2, "
		"\"device_bytes\": 16, \"odp_blocks_mapped\": 1, \"odp_table_bytes\": 4096, "
		"\"odp_faults\": 3, \"odp_invalidated\": 5}, "
		"{\"device\": \"one_0\", \"mrn\": 2, \"length\": 4097, \"pid\": 999999999, "
		"\"kind\": \"odp\", \"entries\": 7, \"odp_faults\": 18446744073709551615}, "
		"{\"device\": \"one_0\", \"mrn\": 3, \"length\": 2097153, \"kernel\": \"ib_core\", "
		"\"kind\": \"a kind that is \"}, "
		"{\"device\": \"one_0\", \"mrn\": 4, \"length\": 4096, \"pid\": 999999998, "
		"\"kind\": \"implicit\"}, "
		"{\"device\": \"one_0\", \"mrn\": 5, \"length\": 0, \"kernel\": "
		"\"a\\\"b\\\\c\\u0001\"}]\n";
	const struct tool tool = { .json = true };

	(void)state;
	regions();
	prints(mr_run, &tool, TOOL_OK, want, "");
	system_has.interrupted = true;
	prints(mr_run, &tool, TOOL_OK, want, "");
}

static void mr_table(void **state)
{
	struct tool tool = { 0 };

	(void)state;
	regions();
	prints(mr_run, &tool, TOOL_OK,
	       "DEVICE MR KIND              BYTES PAGE ENTRIES               FAULTS INVALIDATED "
	       "OWNER\n"
	       "one_0   1 odp             4194304   2M       2                    3           5 "
	       "999999999 ?\n"
	       "one_0   2 odp                4097    -       7 18446744073709551615           - "
	       "999999999 ?\n"
	       "one_0   3 a kind that is  2097153    -       -                    -           - "
	       "[ib_core]\n"
	       "one_0   4 implicit           4096    -       -                    -           - "
	       "999999998 ?\n"
	       "one_0   5 -                     0    -       -                    -           - "
	       "[a\"b\\c?]\n",
	       "");
	tool.output = "mr,device-bytes,blocks,table";
	tool.sort = "entries";
	prints(mr_run, &tool, TOOL_OK,
	       "MR DEVICE BYTES BLOCKS TABLE\n"
	       " 2            -      -     -\n"
	       " 1           16      1  4096\n"
	       " 3            -      -     -\n"
	       " 4            -      -     -\n"
	       " 5            -      -     -\n",
	       "");
	tool.output = "mr,bytes";
	tool.sort = "bytes";
	prints(mr_run, &tool, TOOL_OK,
	       "MR   BYTES\n"
	       " 1 4194304\n"
	       " 3 2097153\n"
	       " 2    4097\n"
	       " 4    4096\n"
	       " 5       0\n",
	       "");
	tool.sort = NULL;
	tool.pid = 999999998;
	tool.no_headings = true;
	assert_int_equal(run(mr_run, &tool, 0), TOOL_OK);
	printed_words("4 4096\n");
	assert_string_equal(
		printed[1],
		"hugeodp: this driver does not report page sizes; a program can query them "
		"with ibv_query_mr_pages()\n");
}

static void mr_processes(void **state)
{
	struct tool tool = { .processes = true };

	(void)state;
	regions();
	prints(mr_run, &tool, TOOL_OK,
	       "MRS   BYTES BASE PAGES HUGE PAGES ENTRIES               FAULTS INVALIDATED OWNER\n"
	       "  1    4096          1          1       -                    -           - "
	       "999999998 ?\n"
	       "  2 4198401       1026          3       9 18446744073709551615           5 "
	       "999999999 ?\n"
	       "  1       0          0          0       -                    -           - "
	       "[a\"b\\c?]\n"
	       "  1 2097153        513          2       -                    -           - "
	       "[ib_core]\n",
	       "");
	tool.sort = "bytes";
	tool.output = "owner,mrs,bytes";
	prints(mr_run, &tool, TOOL_OK,
	       "OWNER       MRS   BYTES\n"
	       "999999999 ?   2 4198401\n"
	       "[ib_core]     1 2097153\n"
	       "999999998 ?   1    4096\n"
	       "[a\"b\\c?]      1       0\n",
	       "");
	tool.sort = NULL;
	tool.json = true;
	prints(mr_run, &tool, TOOL_OK,
	       "[{\"pid\": 999999998, \"name\": \"?\", \"regions\": 1, \"length\": 4096, "
	       "\"base_pages\": 1, \"huge_pages\": 1}, {\"pid\": 999999999, "
	       "\"name\": \"?\", \"regions\": 2, \"length\": 4198401, "
	       "\"base_pages\": 1026, \"huge_pages\": 3, \"entries\": 9, "
	       "\"device_bytes\": 16, \"odp_blocks_mapped\": 1, \"odp_table_bytes\": 4096, "
	       "\"odp_faults\": 18446744073709551615, \"odp_invalidated\": 5}, "
	       "{\"kernel\": \"a\\\"b\\\\c\\u0001\", \"regions\": 1, \"length\": 0, "
	       "\"base_pages\": 0, \"huge_pages\": 0}, {\"kernel\": \"ib_core\", "
	       "\"regions\": 1, \"length\": 2097153, \"base_pages\": 513, "
	       "\"huge_pages\": 2}]\n",
	       "");
}

static void mr_metrics(void **state)
{
	struct tool tool = { .openmetrics = true };

	(void)state;
	regions();
	prints(mr_run, &tool, TOOL_OK,
	       "# TYPE hugeodp_regions gauge\n"
	       "# HELP hugeodp_regions Memory regions.\n"
	       "hugeodp_regions{pid=\"999999998\",name=\"?\"} 1\n"
	       "hugeodp_regions{pid=\"999999999\",name=\"?\"} 2\n"
	       "hugeodp_regions{pid=\"\",name=\"a\\\"b\\\\c\"} 1\n"
	       "hugeodp_regions{pid=\"\",name=\"ib_core\"} 1\n"
	       "# TYPE hugeodp_region_bytes gauge\n"
	       "# HELP hugeodp_region_bytes Length of the memory regions.\n"
	       "hugeodp_region_bytes{pid=\"999999998\",name=\"?\"} 4096\n"
	       "hugeodp_region_bytes{pid=\"999999999\",name=\"?\"} 4198401\n"
	       "hugeodp_region_bytes{pid=\"\",name=\"a\\\"b\\\\c\"} 0\n"
	       "hugeodp_region_bytes{pid=\"\",name=\"ib_core\"} 2097153\n"
	       "# TYPE hugeodp_entries gauge\n"
	       "# HELP hugeodp_entries Entries of the page tables of devices.\n"
	       "hugeodp_entries{pid=\"999999999\",name=\"?\"} 9\n"
	       "# TYPE hugeodp_device_bytes gauge\n"
	       "# HELP hugeodp_device_bytes Bytes of these entries.\n"
	       "hugeodp_device_bytes{pid=\"999999999\",name=\"?\"} 16\n"
	       "# TYPE hugeodp_odp_blocks_mapped gauge\n"
	       "# HELP hugeodp_odp_blocks_mapped Blocks that devices can access without a fault.\n"
	       "hugeodp_odp_blocks_mapped{pid=\"999999999\",name=\"?\"} 1\n"
	       "# TYPE hugeodp_odp_table_bytes gauge\n"
	       "# HELP hugeodp_odp_table_bytes Kernel memory of the page tables.\n"
	       "hugeodp_odp_table_bytes{pid=\"999999999\",name=\"?\"} 4096\n"
	       "# TYPE hugeodp_odp_faults gauge\n"
	       "# HELP hugeodp_odp_faults Faults of the regions that exist.\n"
	       "hugeodp_odp_faults{pid=\"999999999\",name=\"?\"} 18446744073709551615\n"
	       "# TYPE hugeodp_odp_invalidated gauge\n"
	       "# HELP hugeodp_odp_invalidated Blocks of the regions that exist that the kernel "
	       "invalidated.\n"
	       "hugeodp_odp_invalidated{pid=\"999999999\",name=\"?\"} 5\n"
	       "# EOF\n",
	       "");
}

static void mr_own(void **state)
{
	struct tool tool = { .output = "mr,owner", .no_headings = true };
	char want[64], name[17] = "";
	size_t table, entry;

	(void)state;
	/* another one than that of the test's file in an emulator */
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	filled = 0;
	table = begin(RDMA_NLDEV_ATTR_RES_MR);
	entry = begin(RDMA_NLDEV_ATTR_RES_MR_ENTRY);
	put32(RDMA_NLDEV_ATTR_RES_MRN, 8);
	put32(RDMA_NLDEV_ATTR_RES_PID, (uint32_t)getpid());
	end(entry);
	end(table);
	system_has.message = bytes;
	system_has.len = filled;
	assert_int_equal(run(mr_run, &tool, 0), TOOL_OK);
	snprintf(want, sizeof(want), "8 %d %s\n", getpid(), name);
	printed_words(want);
}

static void mr_errors(void **state)
{
	static const struct {
		int err;
		const char *advice;
	} errors[] = {
		{ EPROTONOSUPPORT, "; the kernel has no RDMA netlink: load the module ib_core" },
		{ EAFNOSUPPORT, "; the kernel has no RDMA netlink: load the module ib_core" },
		{ EACCES, "; run this command as root" },
		{ EPERM, "; run this command as root" },
		{ EINVAL, "; this kernel does not list memory regions" },
		{ EOPNOTSUPP, "; this kernel does not list memory regions" },
		{ EBUSY, "; its memory regions change too fast for a list: try again" },
		{ ENODEV,
		  "; the device has been removed, or belongs to another network namespace" },
		{ ENOMEM, "" },
	};
	struct tool tool = { .device = "two_1" };
	char want[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		system_has.netlink_err = errors[i].err;
		snprintf(want, sizeof(want), "hugeodp: two_1: %s%s\n", strerror(errors[i].err),
			 errors[i].advice);
		prints(mr_run, &tool, TOOL_FAILED, "", want);
	}
	system_has.netlink_err = 0;
	prints(mr_run, &tool, TOOL_OK, "", "hugeodp: no memory region\n");
	tool.json = true;
	prints(mr_run, &tool, TOOL_OK, "[]\n", "");
	tool.openmetrics = true;
	prints(mr_run, &tool, TOOL_USAGE, "",
	       "hugeodp: mr: --json and --openmetrics exclude each other\n");
	tool.openmetrics = false;
	tool.sort = "nothing";
	prints(mr_run, &tool, TOOL_USAGE, "", "hugeodp: mr: no column to sort by: nothing\n");
	tool.sort = "page";
	tool.processes = true;
	prints(mr_run, &tool, TOOL_USAGE, "", "hugeodp: mr: no column to sort by: page\n");
	assert_int_equal(run(mr_run, &tool, 1), TOOL_USAGE);
	assert_string_equal(printed[1], "hugeodp: mr: unexpected argument 'word'\n");
	tool = (struct tool){ .device = "three" };
	assert_int_equal(run(mr_run, &tool, 0), TOOL_NOTHING);
}

static void info_of_kernel(void **state)
{
	struct tool tool = { .device = "one_0" };

	(void)state;
	fake.general_odp_caps = IBV_ODP_SUPPORT | IBV_ODP_SUPPORT_IMPLICIT;
	fake.transport_odp_caps[0] = 5;
	fake.transport_odp_caps[2] = 7;
	system_has.pages = (struct ibv_device_odp_attr){ .page_sizes = FAKE_4K | FAKE_2M,
							 .flags = IBV_ODP_MIXED,
							 .source = IBV_ODP_SOURCE_KERNEL };
	system_has.has_side = true;
	system_has.npools = 2;
	system_has.pools[0] = (struct pool){ .size = 2 << 20, .pages = 5, .free = 3 };
	system_has.pools[1] = (struct pool){ .size = 1 << 30, .pages = 1, .free = 0 };
	prints(info_run, &tool, TOOL_OK,
	       "system\n"
	       "  kernel              6.12.0\n"
	       "  base pages          4K\n"
	       "  transparent         2M, madvise\n"
	       "  in shared memory    no, see /sys/kernel/mm/transparent_hugepage/shmem_enabled\n"
	       "  hugetlb             2M: 5 pages, 3 free\n"
	       "  hugetlb             1G: 1 pages, 0 free\n"
	       "one_0\n"
	       "  kernel side         a series\n"
	       "  on-demand paging    yes, RC UD\n"
	       "  page sizes          4K|2M\n"
	       "  mixed page sizes    yes\n"
	       "  populate            no\n"
	       "  page size requests  by the kernel\n",
	       "");
	tool.json = true;
	prints(info_run, &tool, TOOL_OK,
	       "{\"system\": {\"kernel\": \"6.12.0\", \"base_page_size\": 4096, "
	       "\"thp_size\": 2097152, \"thp_enabled\": \"madvise\", \"thp_shmem\": false, "
	       "\"hugetlb\": [{\"page_size\": 2097152, \"pages\": 5, \"free\": 3}, "
	       "{\"page_size\": 1073741824, \"pages\": 1, \"free\": 0}], "
	       "\"hugetlb_flag_safe\": true}, \"devices\": [{\"name\": \"one_0\", "
	       "\"kernel_side\": \"a series\", \"odp\": true, \"odp_implicit\": true, "
	       "\"odp_rc\": 5, \"odp_uc\": 0, \"odp_ud\": 7, \"page_sizes\": [4096, "
	       "2097152], \"mixed\": true, \"populate\": false, \"source\": \"kernel\"}]}\n",
	       "");
	assert_int_equal(closed, 2);
}

static void info_of_library(void **state)
{
	struct tool tool = { 0 };

	(void)state;
	fake.release = "6.20.0";
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	fake.transport_odp_caps[1] = 1;
	thp_dir = RECORDED "/thp-never";
	system_has.pages = (struct ibv_device_odp_attr){ .page_sizes = FAKE_4K,
							 .flags = IBV_ODP_POPULATE,
							 .source = IBV_ODP_SOURCE_LIBRARY };
	prints(info_run, &tool, TOOL_OK,
	       "system\n"
	       "  kernel              6.20.0\n"
	       "  base pages          4K\n"
	       "  transparent         2M, never\n"
	       "  to get more         write madvise to "
	       "/sys/kernel/mm/transparent_hugepage/enabled\n"
	       "  in shared memory    no, see /sys/kernel/mm/transparent_hugepage/shmem_enabled\n"
	       "  IBV_ACCESS_HUGETLB  safe for one page only, unless the kernel has the hugeodp "
	       "series\n"
	       "one_0\n"
	       "  kernel side         none\n"
	       "  on-demand paging    yes, UC\n"
	       "  page sizes          4K\n"
	       "  mixed page sizes    no\n"
	       "  populate            yes\n"
	       "  page size requests  not by the kernel: the library uses what is safe\n"
	       "  to get more         boot a kernel with the hugeodp series, or install the "
	       "hugeodp modules, for page size requests\n"
	       "two_1\n"
	       "  kernel side         none\n"
	       "  on-demand paging    yes, UC\n"
	       "  page sizes          4K\n"
	       "  mixed page sizes    no\n"
	       "  populate            yes\n"
	       "  page size requests  not by the kernel: the library uses what is safe\n"
	       "  to get more         boot a kernel with the hugeodp series, or install the "
	       "hugeodp modules, for page size requests\n",
	       "");
	system_has.has_side = true;
	tool.json = true;
	prints(info_run, &tool, TOOL_OK,
	       "{\"system\": {\"kernel\": \"6.20.0\", \"base_page_size\": 4096, "
	       "\"thp_size\": 2097152, \"thp_enabled\": \"never\", \"thp_shmem\": false, "
	       "\"hugetlb\": [], \"hugetlb_flag_safe\": false}, "
	       "\"devices\": [{\"name\": \"one_0\", \"kernel_side\": \"a series\", "
	       "\"odp\": true, \"odp_implicit\": false, \"odp_rc\": 0, \"odp_uc\": 1, "
	       "\"odp_ud\": 0, \"page_sizes\": [4096], \"mixed\": false, "
	       "\"populate\": true, \"source\": \"library\", "
	       "\"advice\": \"not possible: the driver does not support page size requests\"}, "
	       "{\"name\": \"two_1\", \"kernel_side\": \"a series\", \"odp\": true, "
	       "\"odp_implicit\": false, \"odp_rc\": 0, \"odp_uc\": 1, \"odp_ud\": 0, "
	       "\"page_sizes\": [4096], \"mixed\": false, \"populate\": true, "
	       "\"source\": \"library\", "
	       "\"advice\": \"not possible: the driver does not support page size requests\"}]}\n",
	       "");
}

static void info_errors(void **state)
{
	struct tool tool = { .device = "two_1" };

	(void)state;
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	system_has.side_err = EMFILE;
	system_has.query_err = EIO;
	prints(info_run, &tool, TOOL_FAILED,
	       "system\n"
	       "  kernel              6.12.0\n"
	       "  base pages          4K\n"
	       "  transparent         2M, madvise\n"
	       "  in shared memory    no, see /sys/kernel/mm/transparent_hugepage/shmem_enabled\n"
	       "two_1\n"
	       "  kernel side         not known: Too many open files\n"
	       "  on-demand paging    yes,\n"
	       "  page sizes          not known: Input/output error\n",
	       "");
	tool.json = true;
	prints(info_run, &tool, TOOL_FAILED,
	       "{\"system\": {\"kernel\": \"6.12.0\", \"base_page_size\": 4096, "
	       "\"thp_size\": 2097152, \"thp_enabled\": \"madvise\", \"thp_shmem\": false, "
	       "\"hugetlb\": [], \"hugetlb_flag_safe\": true}, "
	       "\"devices\": [{\"name\": \"two_1\", \"odp\": true, "
	       "\"odp_implicit\": false, \"odp_rc\": 0, \"odp_uc\": 0, \"odp_ud\": 0}]}\n",
	       "");
	system_has.open_err = EACCES;
	prints(info_run, &tool, TOOL_FAILED,
	       "{\"system\": {\"kernel\": \"6.12.0\", \"base_page_size\": 4096, "
	       "\"thp_size\": 2097152, \"thp_enabled\": \"madvise\", \"thp_shmem\": false, "
	       "\"hugetlb\": [], "
	       "\"hugetlb_flag_safe\": true}, \"devices\": [{\"name\": \"two_1\", "
	       "\"error\": \"No such file or directory\", \"advice\": \"load the module ib_uverbs; "
	       "pass /dev/infiniband into the container if there is one\"}]}\n",
	       "");
	tool.json = false;
	prints(info_run, &tool, TOOL_FAILED,
	       "system\n"
	       "  kernel              6.12.0\n"
	       "  base pages          4K\n"
	       "  transparent         2M, madvise\n"
	       "  in shared memory    no, see /sys/kernel/mm/transparent_hugepage/shmem_enabled\n"
	       "two_1\n"
	       "  kernel side         not known: Too many open files\n"
	       "  cannot be opened: No such file or directory\n"
	       "  to get more         load the module ib_uverbs; pass /dev/infiniband into the "
	       "container if there is one\n",
	       "");
	assert_int_equal(closed, 2);
	assert_int_equal(run(info_run, &tool, 1), TOOL_USAGE);
	assert_string_equal(printed[0], "");
	assert_string_equal(printed[1], "hugeodp: info: unexpected argument 'word'\n");
	tool.device = "three";
	assert_int_equal(run(info_run, &tool, 0), TOOL_NOTHING);
	tool.device = NULL;
	ndevices = 0;
	assert_int_equal(run(info_run, &tool, 0), TOOL_OK);
}

static void open_errors(void **state)
{
	static const struct {
		const char *advice;
		int errors[4];
	} all[] = {
		{ "give this user read and write access to /dev/infiniband/uverbs*; a container "
		  "also needs the device in its device list",
		  { EACCES, EPERM } },
		{ "load the module ib_uverbs; pass /dev/infiniband into the container if there is "
		  "one",
		  { ENOENT } },
		{ "the device was removed or has failed: see the messages of the kernel",
		  { ENODEV, ENXIO, EIO } },
		{ "raise the limit of locked memory (ulimit -l), or free memory", { ENOMEM } },
		{ "raise the limit of open files (ulimit -n)", { EMFILE, ENFILE } },
		{ "see the messages of the kernel (dmesg) about the device", { EINVAL } },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (j = 0; all[i].errors[j]; j++)
			assert_string_equal(open_advice(all[i].errors[j]), all[i].advice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(mr_json, setup),
		cmocka_unit_test_setup(mr_table, setup),
		cmocka_unit_test_setup(mr_processes, setup),
		cmocka_unit_test_setup(mr_metrics, setup),
		cmocka_unit_test_setup(mr_own, setup),
		cmocka_unit_test_setup(mr_errors, setup),
		cmocka_unit_test_setup(info_of_kernel, setup),
		cmocka_unit_test_setup(info_of_library, setup),
		cmocka_unit_test_setup(info_errors, setup),
		cmocka_unit_test_setup(open_errors, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
