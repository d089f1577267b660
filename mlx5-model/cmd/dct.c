// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DC targets as objects. A target has its number among those of the queue pairs, because requesters
 * name both in the same way, and is one that only receives.
 */
#include "cmd/eq.h"
#include "cmd/qp.h"
#include "data/dc.h"
#include "data/fault.h"

#include <stdlib.h>

#define DCT_PORT 1
#define DCT_RQ_SRQ 1

static struct qp *dct_own(const struct dev *dev, uint32_t number)
{
	struct qp *qp = table_own(&dev->qps, number);

	return qp && qp->service == QP_DCT ? qp : NULL;
}

/* True if the context may refer to all objects that it names */
static bool dct_refers_well(const struct dev *dev, const uint8_t *context)
{
	const struct srq *srq = table_own(&dev->srqs, IFC_GET(dctc, context, srqn_xrqn));

	return table_own(&dev->pds, IFC_GET(dctc, context, pd)) &&
	       table_own(&dev->cqs, IFC_GET(dctc, context, cqn)) && srq && srq->kind != SRQ_XRC;
}

static bool dct_valid(const uint8_t *context)
{
	unsigned int mtu = IFC_GET(dctc, context, mtu);

	return IFC_GET(dctc, context, state) == MLX5_DCTC_STATE_ACTIVE &&
	       IFC_GET(dctc, context, port) == DCT_PORT && mtu >= MLX5_DCTC_MTU_256_BYTES &&
	       mtu <= MLX5_DCTC_MTU_4K_BYTES && IFC_GET(dctc, context, my_addr_index) < DEV_GIDS;
}

/* The fields that the responder's side of a queue pair is run with */
static void dct_fill(struct qp *qp, const uint8_t *context)
{
	uint8_t *c = qp->context;

	qp->service = QP_DCT;
	qp->state = QP_RTR;
	qp->pd = IFC_GET(dctc, context, pd);
	qp->srqn = IFC_GET(dctc, context, srqn_xrqn);
	IFC_SET(qpc, c, st, QP_DCT);
	IFC_SET(qpc, c, state, QP_RTR);
	IFC_SET(qpc, c, no_sq, 1);
	IFC_SET(qpc, c, rq_type, DCT_RQ_SRQ);
	IFC_SET(qpc, c, pd, qp->pd);
	IFC_SET(qpc, c, srqn_rmpn_xrqn, qp->srqn);
	IFC_SET(qpc, c, cqn_rcv, IFC_GET(dctc, context, cqn));
	IFC_SET(qpc, c, user_index, IFC_GET(dctc, context, user_index));
	IFC_SET(qpc, c, min_rnr_nak, IFC_GET(dctc, context, min_rnr_nak));
	IFC_SET(qpc, c, rre, IFC_GET(dctc, context, rre));
	IFC_SET(qpc, c, rwe, IFC_GET(dctc, context, rwe));
	IFC_SET(qpc, c, rae, IFC_GET(dctc, context, rae));
}

enum cmd_status dct_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_dct_in, cmd->in, dct_context_entry);
	struct qp *qp;

	if (!dct_valid(context))
		return CMD_BAD_PARAM;
	if (!dct_refers_well(dev, context))
		return CMD_BAD_RESOURCE;
	qp = calloc(1, sizeof(*qp));
	if (qp)
		qp->dct = calloc(1, sizeof(*qp->dct));
	if (!qp || !qp->dct) {
		free(qp);
		return CMD_NO_RESOURCES;
	}
	memcpy(qp->dct->context, context, sizeof(qp->dct->context));
	qp->dct->key = IFC_GET(dctc, context, dc_access_key);
	dct_fill(qp, context);
	qp->number = table_add(&dev->qps, qp);
	if (!qp->number) {
		qp_release(qp);
		return CMD_LIMIT;
	}
	IFC_SET(create_dct_out, cmd->out, dctn, qp->number);
	return CMD_OK;
}

/* All connections are closed at once, and the driver waits for the event */
enum cmd_status dct_drain(struct dev *dev, const struct cmd *cmd)
{
	struct qp *qp = dct_own(dev, IFC_GET(drain_dct_in, cmd->in, dctn));

	if (!qp)
		return CMD_BAD_RESOURCE;
	if (qp->dct->state != DCT_ACTIVE)
		return CMD_BAD_RESOURCE_STATE;
	qp->dct->state = DCT_DRAINED;
	qp->state = QP_RESET;
	fault_drop_peers(dev, qp->number);
	dc_abandon_target(dev, qp->number);
	eq_object_event(dev, EVENT_DCT_DRAINED, qp->number);
	return CMD_OK;
}

enum cmd_status dct_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = IFC_GET(destroy_dct_in, cmd->in, dctn);
	const struct qp *qp = dct_own(dev, number);

	if (!qp)
		return CMD_BAD_RESOURCE;
	if (qp->dct->state != DCT_DRAINED)
		return CMD_BAD_RESOURCE_STATE;
	qp_release(table_take(&dev->qps, number));
	return CMD_OK;
}

enum cmd_status dct_query(struct dev *dev, const struct cmd *cmd)
{
	const struct qp *qp = dct_own(dev, IFC_GET(query_dct_in, cmd->in, dctn));
	uint8_t *context = IFC_AT(query_dct_out, cmd->out, dct_context_entry);

	if (!qp)
		return CMD_BAD_RESOURCE;
	memcpy(context, qp->dct->context, sizeof(qp->dct->context));
	IFC_SET(dctc, context, state, qp->dct->state);
	IFC_SET(dctc, context, dc_access_key_violation_count, qp->dct->violations);
	return CMD_OK;
}

enum cmd_status dct_arm(struct dev *dev, const struct cmd *cmd)
{
	struct qp *qp = dct_own(dev, IFC_GET(arm_dct_in, cmd->in, dct_number));

	if (!qp)
		return CMD_BAD_RESOURCE;
	qp->dct->armed = true;
	return CMD_OK;
}
