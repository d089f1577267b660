/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The device: its objects and what they share. Objects refer to each other by number only, so none
 * can outlive what it points to.
 */
#ifndef MLX5_MODEL_DEV_H
#define MLX5_MODEL_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/guest.h"
#include "base/ifc.h"
#include "base/stats.h"
#include "base/table.h"

#define DEV_VECTORS 8
#define DEV_GIDS 8
#define DEV_MAX_MSG (1u << 30)
#define DEV_STRICT_KINDS 64

/* Reserved keys; CREATE_MKEY assigns mkey indexes above them */
#define KEY_TERMINATE 0x100u
#define KEY_NULL 0x200u
#define KEY_RESD 0x300u
#define MKEY_FIRST 16

enum dev_scheme { SCHEME_TRANSPORT, SCHEME_MEMORY };
/* Generations of firmware: see caps_profile.c */
enum dev_profile { PROFILE_DEFAULT, PROFILE_OLD, PROFILE_NEW };
/* Commands move the function from one state to the next; objects exist only while it is running */
enum dev_state { DEV_DISABLED, DEV_ENABLED, DEV_RUNNING };

struct fabric;
struct account;
struct cache_params;

/* A capability with another value than by default */
enum caps_group { CAPS_GENERAL, CAPS_GENERAL_2, CAPS_ATOMIC, CAPS_ODP, CAPS_DEVICE_MEMORY };

struct cap_setting {
	enum caps_group group;
	size_t bit;
	unsigned int width;
	uint64_t value;
};

/* An injected failure: of the count-th command with this name or, without a name, of any command */
#define DEV_FAIL_NAME 40
#define DEV_FAIL_UMR "UMR"
struct fail_setting {
	char name[DEV_FAIL_NAME]; /* DEV_FAIL_UMR: a UMR */
	uint64_t count;
};

#define DEV_SETTINGS 16

struct dev_options {
	struct cap_setting caps[DEV_SETTINGS];
	unsigned int cap_count;
	struct fail_setting fails[DEV_SETTINGS];
	unsigned int fail_count;
	enum dev_scheme scheme;
	enum dev_profile profile;
	bool strict;
	bool strict_silent; /* reports are counted and not printed */
	bool trace;
	uint64_t delay_seed; /* 0: events are not delayed */
	uint64_t fault_seed; /* 0: page faults are of the simplest kind */
	const struct cache_params *cache; /* the card's caches; NULL: none are modelled */
	const char *record; /* the file of the trace of translations; NULL: none */
};

/* A queue in the guest's memory: pages of equal size that need not be contiguous */
struct queue {
	uint64_t *pages;
	uint32_t page_count;
	unsigned int page_shift;
	uint64_t offset;
	uint64_t size;
	bool read_only; /* a umem of memory that the application cannot write to */
};

struct eq {
	uint32_t number;
	struct queue queue;
	unsigned int log_size;
	uint32_t producer;
	uint32_t consumer; /* as last written by the driver */
	uint32_t uar;
	unsigned int vector;
	bool armed;
	uint64_t events[4]; /* word 0 has types 0 to 63 */
};

struct cq {
	uint32_t number;
	uint8_t context[IFC_SIZE(cqc)];
	struct queue queue;
	unsigned int log_size;
	unsigned int entry_size;
	uint32_t uar;
	uint32_t eqn;
	uint64_t doorbell;
	/* umems of an application that the queue and the record are in, 0: none */
	uint32_t umem, doorbell_umem;
	uint32_t producer;
	uint32_t solicited; /* producer after the last solicited entry */
	bool any_solicited;
	bool armed;
	bool armed_solicited;
	bool failed;
};

/* Made by CREATE_SRQ, in interface 0, or by CREATE_RMP or CREATE_XRC_SRQ */
enum srq_kind { SRQ_BASIC, SRQ_RMP, SRQ_XRC };

struct srq {
	uint32_t number;
	enum srq_kind kind;
	uint8_t context[IFC_SIZE(rmpc)]; /* that of the kind; this one is the longest */
	struct queue queue;
	unsigned int stride_shift;
	unsigned int log_size;
	uint32_t pd;
	uint32_t cqn;
	uint32_t xrcd;
	uint32_t user_index; /* SRQ_XRC: in completions of version 1 */
	uint64_t doorbell;
	uint16_t head;	   /* index of the next WQE in the driver's list */
	uint16_t consumed; /* against the doorbell record's count */
	uint16_t limit;	   /* 0: not armed */
};

enum mkey_mode { MKEY_PA = 0, MKEY_MTT = 1, MKEY_KLM = 2, MKEY_KSM = 3, MKEY_MEMIC = 5 };

struct mkey {
	uint32_t index;
	uint8_t context[IFC_SIZE(mkc)];
	/* fields that translation reads for every segment, copied from context by mkey_refresh() */
	uint32_t key;
	enum mkey_mode mode;
	bool free;
	bool length64;
	uint32_t pd;
	uint32_t qpn;
	uint64_t start;
	uint64_t length;
	unsigned int page_shift;
	bool always_present; /* created without page-fault support: no permission bits */
	uint32_t memic;	     /* MKEY_MEMIC: the allocation that it was created for */
	uint64_t xlt_size;   /* bytes */
	uint64_t fresh;	     /* bytes, from the table's start, written since the last use */
	uint8_t *xlt;
};

/* A receive WQE that was taken from its queue, with the data to complete it */
struct receive {
	bool held;
	uint32_t srqn; /* 0: the queue pair's own queue */
	uint16_t index;
	/* that of a DC initiator is its target's: device and number */
	uint16_t lid;
	uint32_t qpn;
};

enum dct_state { DCT_ACTIVE = 0, DCT_DRAINING = 1, DCT_DRAINED = 2 };

/* What a DC target has besides the fields of a queue pair that only receives */
struct dct {
	uint8_t context[IFC_SIZE(dctc)];
	enum dct_state state;
	uint64_t key;
	uint32_t violations; /* requests with another key */
	bool armed;	     /* for an event at the next one */
};

/* The errored streams of a DC initiator that it still works with, at most */
#define DEV_MAX_STREAMS 32

enum stall { STALL_NONE, STALL_FAULT, STALL_RNR, STALL_TIMEOUT };

/* A fault that a device has reported, by its token */
struct reported_fault {
	struct reported_fault *next;
	uint64_t token;
	uint16_t lid; /* the queue pair that waits: device and number */
	uint32_t qpn;
	/* transport scheme: the fields that the driver repeats in its answer */
	unsigned int type;
	uint32_t number;
	unsigned int answers; /* answers that are outstanding: one for each event */
	bool over;	      /* answered or dropped: another answer has no effect */
};

#define DEV_FAULT_BUCKETS 256

/* The side whose work request fails if a page fault cannot be resolved */
enum fault_side { FAULT_LOCAL, FAULT_REMOTE, FAULT_RECEIVE };

struct qp {
	uint32_t number;
	uint8_t context[IFC_SIZE(qpc)];
	struct queue queue;
	unsigned int service;
	unsigned int state;
	uint32_t uar;
	uint32_t pd;
	uint32_t rq_stride_shift;
	uint32_t log_rq_size;
	bool has_rq;
	uint32_t log_sq_size; /* in 64-byte blocks */
	bool has_sq;
	uint64_t sq_offset;
	uint32_t srqn;
	uint64_t doorbell;
	uint32_t umem, doorbell_umem; /* as those of a completion queue */
	bool sq_by_doorbell; /* doorbells say what is posted, not the record */
	uint16_t sq_posted;  /* producer of the last one */
	uint16_t sq_head;
	uint64_t committed; /* bytes of the WQE at the head that were moved */
	uint16_t rq_head;
	struct receive receive;
	struct dct *dct;	  /* QP_DCT, else NULL */
	bool mmo;		  /* may execute MMO WQEs */
	bool streams;		  /* QP_DCI: its WQEs name streams */
	unsigned int errored_max; /* with so many errored streams it enters the error state */
	unsigned int errored_count;
	uint16_t errored[DEV_MAX_STREAMS];

	enum stall stall;
	bool fault_pending;
	uint64_t fault_token;
	enum fault_side fault_side;
	bool fault_failed;   /* the WQE at the head ends with an error */
	uint16_t fault_lid;  /* the device that reported it */
	uint32_t fault_peer; /* the responder, unless the fault is the requester's own */
	uint64_t wake;	     /* when a wait ends, in ns */
	unsigned int retries;	  /* of the WQE at the head: requests without an answer */
	unsigned int rnr_retries; /* and those that were answered "not ready" */
	uint64_t polled; /* when work posted without a doorbell was last checked, in ns */
	bool ready;	 /* in the run list */
	struct qp *next;
	bool waiting; /* in the list of waiting queue pairs; may have stopped waiting */
	struct qp *next_waiting;
};

/* Reports of strict mode that differ only in their numbers */
struct strict_kind {
	const char *format;
	uint64_t count;
};

struct dev {
	struct dev_options options;
	struct strict_kind strict_kinds[DEV_STRICT_KINDS];
	struct fabric *fabric;
	uint16_t lid;
	struct guest guest;
	struct stats stats;

	void (*interrupt)(void *context, unsigned int vector);
	void *interrupt_context;

	/* Destroys all objects. Requests of other devices to this one end in a timeout. */
	void (*clear)(struct dev *dev);

	enum dev_state state;
	unsigned int issi; /* version of the interface that the driver has chosen */
	uint16_t context;  /* whose command is running, 0 for the driver's own */
	uint32_t port_caps;
	uint8_t config[256];
	uint64_t command_queue;
	uint32_t command_queue_high;
	uint32_t health_counter;

	uint8_t caps_general[IFC_SIZE(cmd_hca_cap)];
	uint8_t caps_general_2[IFC_SIZE(cmd_hca_cap_2)];
	uint8_t caps_odp[IFC_SIZE(odp_cap)];
	uint8_t caps_atomic[IFC_SIZE(atomic_caps)];
	uint8_t caps_device_memory[IFC_SIZE(device_mem_cap)];
	uint8_t node_description[64];

	struct table eqs, cqs, srqs, qps, mkeys;
	struct table pds, uars, xrcds, contexts, umems, memics;
	struct table reserved_qpns; /* blocks of numbers */
	struct table counters, flow_tables, flow_groups, flow_entries, attachments;
	struct table mappings; /* of address vectors to queue pairs */

	uint64_t first_token, next_token;
	struct reported_fault *faults[DEV_FAULT_BUCKETS];
	unsigned int faults_over; /* of these, over */
	struct qp *run_first, *run_last;
	struct qp *waiting;
	uint64_t fails_seen[DEV_SETTINGS]; /* commands that each of options.fails has counted */
	uint64_t random, fault_random;
	struct delayed_event *delayed;
	struct account *account; /* NULL: translations are neither cached nor recorded */
	bool record_lost;	 /* the file of the trace could not be written */
};

uint64_t dev_now(void);
uint64_t dev_random(struct dev *dev);
/* For the mix of page faults: below limit, and 0 without a seed */
uint64_t dev_fault_random(struct dev *dev, uint64_t limit);

/* Counts a command or UMR; true if it is to fail */
bool dev_fails(struct dev *dev, const char *name);
/*
 * The driver passed an address outside of the guest's memory: counted, and reported in strict mode
 */
void dev_bad_dma(struct dev *dev, uint64_t address);

void trace(const struct dev *dev, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * An error that hardware would ignore silently: counted in strict mode, and printed unless there
 * were many with the same format.
 */
void strict_report(struct dev *dev, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
