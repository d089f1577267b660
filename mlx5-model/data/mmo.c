// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* MMO WQEs: the device copies memory of its own host, without a peer. */
#include "data/job.h"

#include "base/caps.h"

#define MMO_METADATA 16

/* The announced limit; 0 announces the largest length of a data segment */
static uint64_t mmo_max(const struct dev *dev)
{
	unsigned int log = ifc_get(dev->caps_general, CAPS_LOG_DMA_MMO_MAX_SIZE_BIT,
				   CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH);
	uint64_t max = log ? 1ull << log : DEV_MAX_MSG;

	return max < DEV_MAX_MSG ? max : DEV_MAX_MSG;
}

/* The source, then the destination, and nothing else */
static bool mmo_segments(struct wqe *wqe, struct wqe_segment *from, struct wqe_segment *to)
{
	return wqe_next_segment(wqe->data, wqe->length, &wqe->offset, from) &&
	       wqe_next_segment(wqe->data, wqe->length, &wqe->offset, to) &&
	       wqe->offset == wqe->length && !from->inline_data && !to->inline_data;
}

enum job_result mmo_execute(struct job *job)
{
	struct wqe_segment from, to;
	enum job_result result;

	/* the metadata is a buffer for results of other operations */
	if (!job->qp->mmo || job->wqe.modifier != WQE_MMO_DMA ||
	    !wqe_take(&job->wqe, MMO_METADATA) || !mmo_segments(&job->wqe, &from, &to))
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	if (from.length != to.length || from.length > mmo_max(job->dev))
		return job_failed(job, SYNDROME_LOCAL_LENGTH);
	job->total = from.length;
	result = job_local_range(job, &from, 0, from.length, false, &job->local);
	if (result == JOB_DONE)
		result = job_local_range(job, &to, 0, to.length, true, &job->remote);
	if (result != JOB_DONE)
		return result;
	sg_copy(&job->remote, 0, &job->local);
	job->byte_count = job->total;
	return JOB_DONE;
}
