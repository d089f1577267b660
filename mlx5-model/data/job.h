/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * One attempt to execute a send WQE: all of its message or, with a mix of page faults, some packets
 * of it, after those that are committed.
 */
#ifndef MLX5_MODEL_JOB_H
#define MLX5_MODEL_JOB_H

#include "base/sg.h"
#include "cmd/qp.h"
#include "data/wqe.h"

enum job_result {
	JOB_DONE,
	JOB_WAIT,   /* the queue pair stalls, the WQE stays */
	JOB_MORE,   /* a part of the message was moved, the WQE stays */
	JOB_FAILED, /* with job->syndrome */
};

struct job {
	struct dev *dev;
	struct qp *qp;
	struct dev *peer_dev; /* NULL until the peer is found */
	struct qp *peer;
	struct receive *receive;    /* the WQE that a message to the peer goes to */
	struct wqe_address address; /* of a DC initiator's WQE */
	struct wqe wqe;
	uint64_t start; /* of this attempt, in ns */
	uint64_t skip;	/* bytes of the message that are committed */
	uint64_t chunk; /* bytes to move in this attempt, at most */
	uint64_t total; /* bytes of the message */
	struct sg local;
	struct sg remote;
	enum syndrome syndrome;
	uint32_t byte_count; /* for the completion */
	uint32_t xrc_srqn;
};

enum job_result job_failed(struct job *job, enum syndrome syndrome);
/* Translates its part of the data segments, from here to the end of the WQE; sets total */
enum job_result job_local(struct job *job, bool write);
/* For keys of the peer */
struct xlate_origin job_peer_origin(const struct job *job);
/* Translates the same part of the peer's memory, at address the operation as a whole */
enum job_result job_remote(struct job *job, uint32_t key, uint64_t address,
			   enum xlate_access access);
/* True if this attempt's part is the last */
bool job_is_last(const struct job *job);
/* This attempt's part was moved, and it is not the last */
enum job_result job_commit(struct job *job);
/* The requester retries while its page fault at the responder is not answered */
enum job_result job_fault_pending(struct job *job);
/* The peer does not answer; fails once the retries are exceeded */
enum job_result job_no_answer(struct job *job);
/*
 * The responder refuses: it enters the error state, too, and its driver gets an event; except a DC
 * target, which serves other initiators
 */
enum job_result job_refused(struct job *job, enum syndrome syndrome);
/* The peer has no receive WQE */
enum job_result job_not_ready(struct job *job);
/* Translates length bytes of the peer's next receive WQE, after skip, into job->remote */
enum job_result job_receive(struct job *job, uint64_t skip, uint64_t length);

/* By kind of queue pair, in rc.c and ud.c */
enum job_result rc_execute(struct job *job);
enum job_result ud_execute(struct job *job);
/* A copy from and to the requester's own memory, in mmo.c */
enum job_result mmo_execute(struct job *job);
/* Translates a range of the requester's own memory into sg; total and skip describe the message */
enum job_result job_local_range(struct job *job, const struct wqe_segment *segment, uint64_t from,
				uint64_t to, bool write, struct sg *sg);
/* Fails a WQE with a page fault that the driver could not resolve */
enum job_result job_fault_failed(struct job *job);
/* Sets the peer to queue pair qpn of the device with this LID, or to NULL if there is none */
struct qp *job_find_peer(struct job *job, unsigned int lid, uint32_t qpn);
/* Counts payload that was moved */
void job_moved(const struct job *job, bool to_peer, uint64_t bytes);

#endif
