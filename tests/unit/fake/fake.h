/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A fake kernel and libibverbs for the unit tests: the linker redirects the system
 * calls and verbs that libhugeodp calls to these functions. The ioctls follow the
 * rules of the kernel's uverbs parser: of a stock kernel, with the series, or with
 * the modules for a distribution's kernel.
 */
#ifndef TESTS_UNIT_FAKE_H
#define TESTS_UNIT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/types.h>

#include "../../../libibverbs/priv.h"

#define FAKE_CMD_FD 4711
#define FAKE_DRIVER_ID 14
#define FAKE_MR_HANDLE 0x12345678u
#define FAKE_PD_HANDLE 0x87654321u

#define FAKE_4K (1ULL << 12)
#define FAKE_2M (1ULL << 21)
#define FAKE_1G (1ULL << 30)

#define FAKE_MAX_CALLS 256
#define FAKE_MAX_DATAGRAMS 8

/* A mapping as PROCMAP_QUERY and PAGEMAP_SCAN report it. */
enum fake_pages { FAKE_PAGES_ABSENT, FAKE_PAGES_SMALL, FAKE_PAGES_HUGE };
struct fake_vma {
	uint64_t start;
	uint64_t end;
	uint64_t page_size;
	uint64_t flags;
	uint64_t inode;
	/* the pages from @small to the end are small */
	enum fake_pages pages;
	uint64_t small;
};

/* The kernel side of the device. */
enum fake_form { FAKE_STOCK, FAKE_CORE, FAKE_DRIVER };

enum fake_method {
	FAKE_QUERY_PAGES,
	FAKE_DESTROY_MR,
	FAKE_ADVISE_MR,
	FAKE_QUERY_MR,
	FAKE_REG_MR,
	FAKE_MODIFY_MR,
	FAKE_WATCH_MR,
	FAKE_METHODS
};

/* One recorded ioctl. */
struct fake_call {
	unsigned char bytes[256];
	size_t len;
	/* the data of the last input attribute that was too long for inline data */
	unsigned char in[64];
	size_t in_len;
};

struct fake_datagram {
	const void *data;
	size_t len;
	uint32_t sender;
	int msg_flags;
};

struct fake {
	/* the device and its kernel */
	uint32_t driver_id;
	dev_t rdev;
	mode_t mode;
	enum fake_form form;
	bool mr_is_odp;
	struct hugeodp_abi_page_caps caps;
	/* the sizes that memory of any range can have; 0: the kernel cannot be asked */
	uint32_t range_shift;
	struct hugeodp_abi_state state;
	struct hugeodp_abi_blocks blocks;
	struct hugeodp_abi_mr_pages pages;
	/* the device has no memory behind the MR that it could report */
	bool no_pages;
	uint64_t iova;
	/* what a registration that fails with E2BIG would need */
	uint64_t entries_needed;
	/* of the last call that had one */
	int event_fd;
	/* called for each ADVISE_MR, returns its errno */
	int (*advise)(const struct fake_call *call);
	/* errno for a method */
	int method_err[FAKE_METHODS];
	/* errno for every ioctl */
	int ioctl_err;
	/* number of ioctls that a signal interrupts before one succeeds */
	unsigned int interrupt;

	struct fake_call calls[FAKE_MAX_CALLS];
	unsigned int ncalls;
	/* the part of ncalls with a number that a stock kernel does not know */
	unsigned int nours;
	unsigned int nfstat;

	/* mappings of the process; none: the kernel does not support these ioctls */
	const struct fake_vma *vmas;
	unsigned int nvmas;
	unsigned int nprocmap;
	int pagemap_err;

	/* capabilities that every kernel reports for the device */
	uint64_t general_odp_caps;
	uint32_t transport_odp_caps[3]; /* RC, UC, UD */
	int query_device_err;
	const char *release;

	/* RDMA netlink: an answer per datagram, in order */
	int socket_err;
	int send_err;
	struct fake_datagram datagrams[FAKE_MAX_DATAGRAMS];
	unsigned int ndatagrams;
	unsigned int next_datagram;
	unsigned int interrupt_recv;
	unsigned char sent[3][256];
	size_t sent_len[3];
	unsigned int nsent;
	unsigned int open_sockets;
	/* of NETLINK_EXT_ACK and NETLINK_CAP_ACK, those that are on */
	unsigned int socket_options;

	/* libibverbs */
	int reg_err;
	/* the kernel's driver does not support IBV_ACCESS_HUGETLB */
	int hugetlb_err;
	int dereg_err;
	int import_err;
	unsigned int nimport;
	/* number of MRs that ioctls created and did not destroy */
	int kernel_mrs;
	/* a new MR for each registration instead of fake_mr */
	bool many_mrs;
	unsigned int next_mr;
	unsigned int nreg;
	unsigned int ndmabuf;
	unsigned int ndereg;
	struct ibv_pd *reg_pd;
	void *reg_addr;
	size_t reg_length;
	uint64_t reg_iova;
	unsigned int reg_access;
	uint64_t dmabuf_offset;
	int dmabuf_fd;

	/* the functions that a preloaded library finds by RTLD_NEXT */
	void *(*next)(const char *name, const char *version);

	/* upstream's ibv_reg_mr_ex() */
	bool no_libibverbs;
	bool has_upstream;
	unsigned int ndlopen;
	unsigned int ndlclose;
	unsigned int nupstream;
	struct ibv_pd *upstream_pd;
	struct ibv_mr_init_attr *upstream_attr;
};

extern struct fake fake;
/* a new one for each fake_setup() */
extern struct verbs_context *fake_verbs;
#define fake_context (fake_verbs->context)
extern struct ibv_pd fake_pd;
extern struct ibv_mr fake_mr;
extern struct ibv_mr fake_upstream_mr;

/*
 * A kernel of the form $HUGEODP_UNIT_FORM ("core", the default, or "driver") with a
 * device that can do 4 KiB, 2 MiB and 1 GiB, with a device number of its own so
 * that no test finds another's cache entry.
 * Without netlink: driver_id is found by asking the character device.
 */
int fake_setup(void **state);

/* Another kernel, and a new context of the device: the library reads the mark once for each. */
void fake_kernel(enum fake_form form);

/* Replace the mark of the device; NULL removes it. */
void fake_mark(const void *mark, size_t len);

/*
 * sysfs as the functions for file descriptors read it: the character device has the name of the RDMA
 * device, here the content of its file ibdev.
 */
struct fake_sysfs {
	char dir[32];
	char chr[96];
	char ibdev[112];
	char link[96];
};
void fake_sysfs_make(struct fake_sysfs *sysfs, const char *ibdev);
void fake_sysfs_remove(const struct fake_sysfs *sysfs);

/* Methods and attributes of the kernel's form. */
struct fake_numbers {
	uint16_t query_pages;
	uint16_t modify;
	uint16_t query;
	uint16_t reg_request;
	uint16_t reg_entries;
};
const struct fake_numbers *fake_numbers(void);

/* Number of calls, except those that only probe driver_id. */
unsigned int fake_real_calls(void);
const struct fake_call *fake_last_call(void);

/*
 * Check an ioctl byte by byte. @attrs: id, length, data for each attribute;
 * FAKE_POINTER as data stands for any address.
 */
#define FAKE_POINTER UINT64_MAX
struct fake_attr {
	uint16_t id;
	uint16_t len;
	uint64_t data;
};
void fake_expect_call(const struct fake_call *call, uint16_t object, uint16_t method,
		      const struct fake_attr *attrs, unsigned int nattrs);

/* The same for a query of the state and the blocks of fake_mr. */
void fake_expect_query(const struct fake_call *call);

/* The same for a query of what the device translates fake_mr with. */
void fake_expect_query_pages(const struct fake_call *call);

/* RDMA netlink messages. */
struct fake_msg {
	_Alignas(8) unsigned char data[512];
	size_t len;
};
void fake_msg_start(struct fake_msg *msg, uint16_t type, uint32_t seq);
void fake_msg_attr(struct fake_msg *msg, uint16_t type, const void *data, uint16_t len);
void fake_msg_end(struct fake_msg *msg);
void fake_queue(const void *data, size_t len);

/* Queue both answers of the kernel for the fake device. */
struct fake_answer {
	struct fake_msg devices;
	struct fake_msg done;
	struct fake_msg chardev;
};
void fake_queue_answer(struct fake_answer *answer, const char *name, uint32_t driver_id);

#endif
