// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/fault.h"

#include "base/caps.h"
#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/qp.h"
#include "fabric/fabric.h"

#include <inttypes.h>
#include <stdlib.h>

#define FAULT_SUBTYPE_WQE 0
#define FAULT_SUBTYPE_RDMA 1
#define FAULT_SUBTYPE_MEMORY 2
#define FAULT_TYPE_RDMA 4
#define FAULT_TYPE_WRITE 2
#define FAULT_MEMORY_LAST 0x80
#define FAULT_PAGE 4096
#define FAULT_PAGES_MAX 0xfffff
#define FAULT_EVENTS_MAX 3
#define FAULT_PREFETCH_FEW 9
#define FAULT_PREFETCH_MANY 600
/* Tokens have 24 bits in the transport scheme. All parts of the memory scheme's 48 are used. */
#define FAULT_TOKEN_MASK 0xffffff
#define FAULT_TOKEN_MEMORY 0x800180010000ull
/* Finished faults without an answer: those of a destroyed queue pair may never be answered */
#define FAULT_OVER_MAX 16384

static struct reported_fault **fault_bucket(struct dev *dev, uint64_t token)
{
	return &dev->faults[token % DEV_FAULT_BUCKETS];
}

static struct reported_fault *fault_by_token(struct dev *dev, uint64_t token)
{
	struct reported_fault *reported = *fault_bucket(dev, token);

	while (reported && reported->token != token)
		reported = reported->next;
	return reported;
}

static void fault_remove(struct dev *dev, struct reported_fault *reported)
{
	struct reported_fault **link = fault_bucket(dev, reported->token);

	while (*link != reported)
		link = &(*link)->next;
	*link = reported->next;
	dev->faults_over -= reported->over;
	free(reported);
}

/* Removes the oldest finished faults, one bucket at a time */
static void fault_forget_oldest(struct dev *dev)
{
	struct reported_fault *reported, *next;
	unsigned int i;

	for (i = 0; i < DEV_FAULT_BUCKETS && dev->faults_over > FAULT_OVER_MAX; i++)
		for (reported = dev->faults[(dev->next_token + i) % DEV_FAULT_BUCKETS]; reported;
		     reported = next) {
			next = reported->next;
			if (reported->over)
				fault_remove(dev, reported);
		}
}

static void fault_end(struct dev *dev, struct reported_fault *reported)
{
	if (!reported->over) {
		reported->over = true;
		dev->faults_over++;
	}
	if (!reported->answers)
		fault_remove(dev, reported);
	else
		fault_forget_oldest(dev);
}

static uint64_t fault_new_token(struct dev *dev)
{
	uint64_t token;

	if (!dev->first_token) {
		dev->first_token =
			(dev->options.scheme == SCHEME_MEMORY ? FAULT_TOKEN_MEMORY : 0) + 1;
		dev->next_token = dev->first_token;
	}
	do {
		token = dev->next_token++;
		if (dev->options.scheme == SCHEME_TRANSPORT)
			token &= FAULT_TOKEN_MASK;
	} while (!token || fault_by_token(dev, token));
	return token;
}

/* True if the device has ever used this token */
static bool fault_was_token(const struct dev *dev, uint64_t token)
{
	uint64_t given = dev->next_token - dev->first_token;

	return dev->first_token && token && token - dev->first_token < given;
}

static void fault_wqe_event(struct dev *dev, const struct fault *fault, uint32_t token)
{
	uint8_t data[EQE_DATA] = { 0 };

	put_be32(data, fault->committed);
	put_be16(data + 6, fault->wqe_index);
	put_be16(data + 10, fault->packet > UINT16_MAX ? UINT16_MAX : fault->packet);
	put_be32(data + 12, token);
	put_be32(data + 24, (uint32_t)fault->wq << 24 | fault->wq_number);
	if (fault->side == FAULT_RECEIVE)
		dev->stats.page_faults_receive++;
	else
		dev->stats.page_faults_requester++;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_WQE, data);
}

static void fault_rdma_event(struct dev *dev, const struct fault *fault, uint32_t type,
			     uint32_t token)
{
	uint8_t data[EQE_DATA] = { 0 };
	uint32_t length = fault->length;

	/* hardware does not report the length of some operations: choose them at random */
	if (dev_fault_random(dev, 4) == 1) {
		dev->stats.page_faults_no_length++;
		length = 0;
	}
	put_be32(data, fault->committed);
	put_be32(data + 4, fault->key);
	put_be16(data + 10, fault->packet > UINT16_MAX ? UINT16_MAX : fault->packet);
	put_be32(data + 12, length);
	put_be64(data + 16, fault->address);
	put_be32(data + 24, type << 24 | token);
	dev->stats.page_faults_rdma++;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_RDMA, data);
}

/* Additional pages around the accessed ones, as a hint to the driver */
static uint64_t fault_prefetch(struct dev *dev)
{
	return dev_fault_random(dev, dev_fault_random(dev, 4) ? FAULT_PREFETCH_FEW :
							      FAULT_PREFETCH_MANY);
}

static void fault_memory_event(struct dev *dev, uint32_t key, uint64_t token, uint64_t first,
			       uint64_t pages, bool last)
{
	uint64_t before = fault_prefetch(dev), after = fault_prefetch(dev);
	uint8_t data[EQE_DATA] = { 0 };

	data[0] = last ? FAULT_MEMORY_LAST : 0;
	put_be16(data + 2, after);
	put_be16(data + 4, before < first ? before : first);
	put_be16(data + 6, token >> 32);
	put_be32(data + 8, token);
	put_be32(data + 12, pages << 12);
	put_be32(data + 16, key);
	put_be64(data + 20, first * FAULT_PAGE);
	dev->stats.page_faults_memory++;
	dev->stats.page_faults_not_last += !last;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_MEMORY, data);
}

/*
 * Sends one event for the whole missing range or, with a mix of page faults, several for parts of
 * it. The driver may resume only after the last one. Returns the number of events.
 */
static unsigned int fault_memory_events(struct dev *dev, const struct fault *fault, uint64_t token)
{
	uint64_t first = fault->miss.address / FAULT_PAGE;
	uint64_t pages = (fault->miss.address + fault->miss.length - 1) / FAULT_PAGE - first + 1;
	unsigned int events = 1 + dev_fault_random(dev, FAULT_EVENTS_MAX), i;

	if (pages > FAULT_PAGES_MAX)
		pages = FAULT_PAGES_MAX;
	if (dev->options.fault_seed && pages > 1)
		pages = 1 + dev_fault_random(dev, pages);
	if (events > pages)
		events = pages;
	for (i = 0; i < events; i++) {
		uint64_t n = i + 1 < events ? pages / events : pages - pages / events * i;

		fault_memory_event(dev, fault->miss.key, token, first, n, i + 1 == events);
		first += n;
	}
	return events;
}

/* The bits of the service's capabilities, from the scheme in use */
static unsigned int fault_caps(const struct dev *dev, unsigned int service)
{
	const uint8_t *scheme =
		dev->options.scheme == SCHEME_MEMORY ?
			IFC_AT_CONST(odp_cap, dev->caps_odp, memory_page_fault_scheme_cap) :
			IFC_AT_CONST(odp_cap, dev->caps_odp, transport_page_fault_scheme_cap);
	unsigned int field;

	switch (service) {
	case QP_RC:
		field = IFC_BIT(odp_scheme_cap, rc_odp_caps);
		break;
	case QP_UC:
		field = IFC_BIT(odp_scheme_cap, uc_odp_caps);
		break;
	case QP_UD:
		field = IFC_BIT(odp_scheme_cap, ud_odp_caps);
		break;
	case QP_XRC:
		field = IFC_BIT(odp_scheme_cap, xrc_odp_caps);
		break;
	case QP_DCI:
	case QP_DCT:
		field = IFC_BIT(odp_scheme_cap, dc_odp_caps);
		break;
	default:
		return 0;
	}
	return ifc_get(scheme, field, 6) |
	       (ifc_get(scheme, CAPS_ODP_LOCAL_MMO_BIT, 1) ? FAULT_USE_MMO : 0);
}

static bool fault_announced(struct dev *dev, const struct qp *qp, enum fault_use use)
{
	if (qp && fault_caps(dev, qp->service) & use)
		return true;
	strict_report(dev, "QP %#x: page fault of service %#x for use %#x, which are not announced",
		      qp ? qp->number : 0, qp ? qp->service : 0, use);
	return false;
}

/* Sends the events of a fault and stores the fields that the driver has to repeat in its answer */
static void fault_report(struct dev *dev, const struct fault *fault,
			 struct reported_fault *reported)
{
	reported->answers = 1;
	if (dev->options.scheme == SCHEME_MEMORY) {
		reported->answers = fault_memory_events(dev, fault, reported->token);
	} else if (fault->side == FAULT_REMOTE) {
		reported->type = FAULT_TYPE_RDMA | (fault->write ? FAULT_TYPE_WRITE : 0);
		reported->number = reported->token;
		fault_rdma_event(dev, fault, reported->type, reported->token);
	} else {
		reported->type = fault->wq;
		reported->number = fault->wq_number;
		fault_wqe_event(dev, fault, reported->token);
	}
}

bool fault_raise(struct dev *dev, struct qp *qp, struct dev *reporter, const struct fault *fault)
{
	const struct qp *whose =
		fault->side == FAULT_LOCAL ? qp : table_get(&reporter->qps, fault->peer);
	struct reported_fault *reported;

	if (!fault_announced(reporter, whose, fault->use))
		return false;
	reported = calloc(1, sizeof(*reported));
	if (!reported)
		return false;
	reported->token = fault_new_token(reporter);
	reported->lid = dev->lid;
	reported->qpn = qp->number;
	reported->next = *fault_bucket(reporter, reported->token);
	*fault_bucket(reporter, reported->token) = reported;
	qp->stall = STALL_FAULT;
	qp_wait(dev, qp);
	qp->fault_pending = true;
	qp->fault_token = reported->token;
	qp->fault_side = fault->side;
	qp->fault_lid = reporter->lid;
	qp->fault_peer = fault->side == FAULT_LOCAL ? 0 : fault->peer;
	reporter->stats.page_faults++;
	reporter->stats.page_faults_committed += fault->committed != 0;
	trace(reporter,
	      "LID %u QP %#x: page fault %#" PRIx64 ", side %d, key %#x, %#" PRIx64 " + %#" PRIx64,
	      dev->lid, qp->number, reported->token, fault->side, fault->miss.key,
	      fault->miss.address, fault->miss.length);
	fault_report(reporter, fault, reported);
	return true;
}

void fault_drop(struct dev *dev, struct qp *qp)
{
	struct dev *reporter = fabric_find(dev->fabric, qp->fault_lid);
	struct reported_fault *reported = NULL;

	if (qp->fault_pending && reporter)
		reported = fault_by_token(reporter, qp->fault_token);
	if (reported) {
		reporter->stats.page_faults_dropped++;
		fault_end(reporter, reported);
	}
	qp->stall = STALL_NONE;
	qp->fault_pending = false;
	qp->fault_failed = false;
	if (qp->state == QP_RTS)
		qp_schedule(dev, qp);
}

void fault_drop_peers(struct dev *dev, uint32_t peer)
{
	struct dev *other;
	unsigned int i;
	struct qp *qp;

	fabric_for_each(dev->fabric, i, other)
		for (qp = other->waiting; qp; qp = qp->next_waiting)
			if (qp->fault_lid == dev->lid && qp->fault_peer == peer &&
			    qp_has_fault(qp))
				fault_drop(other, qp);
}

void fault_drop_all(struct dev *dev)
{
	struct dev *other;
	unsigned int i;
	struct qp *qp;

	fabric_for_each(dev->fabric, i, other)
		for (qp = other->waiting; qp; qp = qp->next_waiting)
			if (qp_has_fault(qp) && (other == dev || qp->fault_lid == dev->lid))
				fault_drop(other, qp);
	for (i = 0; i < DEV_FAULT_BUCKETS; i++)
		while (dev->faults[i])
			fault_remove(dev, dev->faults[i]);
}

static uint64_t fault_resume_token(const struct dev *dev, const uint8_t *info)
{
	if (dev->options.scheme == SCHEME_MEMORY)
		return IFC_GET(mem_page_fault_info, info, fault_token_47_32) << 32 |
		       IFC_GET(mem_page_fault_info, info, fault_token_31_0);
	return IFC_GET(trans_page_fault_info, info, fault_token);
}

/* True if the answer repeats the fields of the event */
static bool fault_repeats(const struct dev *dev, const struct reported_fault *reported,
			  const uint8_t *info)
{
	return dev->options.scheme == SCHEME_MEMORY ||
	       (IFC_GET(trans_page_fault_info, info, page_fault_type) == reported->type &&
		IFC_GET(trans_page_fault_info, info, wq_number) == reported->number);
}

/* The queue pair continues */
static void fault_release(struct dev *dev, const struct reported_fault *reported, bool error)
{
	struct dev *owner = fabric_find(dev->fabric, reported->lid);
	struct qp *qp = owner ? table_get(&owner->qps, reported->qpn) : NULL;

	if (!qp || !qp->fault_pending || qp->fault_token != reported->token ||
	    qp->fault_lid != dev->lid)
		return;
	qp->fault_pending = false;
	qp->fault_failed = error;
	dev->stats.page_faults_resumed++;
	dev->stats.page_faults_failed += error;
	/* the timer of a requester that got a NAK repeats the request */
	if (qp->stall != STALL_FAULT)
		return;
	qp->stall = STALL_NONE;
	qp_schedule(owner, qp);
}

enum cmd_status fault_resume(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *info = IFC_AT_CONST(page_fault_resume_in, cmd->in, page_fault_info);
	uint64_t token = fault_resume_token(dev, info);
	struct reported_fault *reported = fault_by_token(dev, token);

	if (!reported) {
		strict_report(dev, "resume of page fault %#" PRIx64 ", %s", token,
			      fault_was_token(dev, token) ? "which is over" :
							    "which never was");
		return CMD_BAD_RESOURCE_STATE;
	}
	if (!fault_repeats(dev, reported, info)) {
		strict_report(dev, "resume of page fault %#" PRIx64
				   " of type %u and number %#x with type %u and number %#x",
			      token, reported->type, reported->number,
			      (unsigned int)IFC_GET(trans_page_fault_info, info, page_fault_type),
			      (unsigned int)IFC_GET(trans_page_fault_info, info, wq_number));
		return CMD_BAD_RESOURCE_STATE;
	}
	reported->answers--;
	/* not an error if the queue pair was destroyed, which the driver cannot know */
	if (!reported->over)
		fault_release(dev, reported, IFC_GET(trans_page_fault_info, info, error));
	fault_end(dev, reported);
	return CMD_OK;
}
