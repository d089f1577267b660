// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/uses.h"

#include "cmd/qp.h"

bool uses_pd(struct dev *dev, uint32_t number)
{
	const struct mkey *mkey;
	const struct srq *srq;
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->qps, i, qp)
		if (qp->pd == number)
			return true;
	table_for_each(&dev->srqs, i, srq)
		if (srq->pd == number)
			return true;
	table_for_each(&dev->mkeys, i, mkey)
		if (mkey->pd == number)
			return true;
	return false;
}

bool uses_uar(struct dev *dev, uint32_t number)
{
	const struct eq *eq;
	const struct cq *cq;
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->eqs, i, eq)
		if (eq->uar == number)
			return true;
	table_for_each(&dev->cqs, i, cq)
		if (cq->uar == number)
			return true;
	table_for_each(&dev->qps, i, qp)
		if (qp->uar == number)
			return true;
	return false;
}

bool uses_xrcd(struct dev *dev, uint32_t number)
{
	const struct srq *srq;
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->srqs, i, srq)
		if (srq->xrcd == number)
			return true;
	table_for_each(&dev->qps, i, qp)
		if (qp->service == QP_XRC && IFC_GET(qpc, qp->context, xrcd) == number)
			return true;
	return false;
}

bool uses_eq(struct dev *dev, uint32_t number)
{
	const struct cq *cq;
	uint32_t i;

	table_for_each(&dev->cqs, i, cq)
		if (cq->eqn == number)
			return true;
	return false;
}

bool uses_cq(struct dev *dev, uint32_t number)
{
	const struct srq *srq;
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->qps, i, qp)
		if (IFC_GET(qpc, qp->context, cqn_snd) == number ||
		    IFC_GET(qpc, qp->context, cqn_rcv) == number)
			return true;
	table_for_each(&dev->srqs, i, srq)
		if (srq->cqn == number)
			return true;
	return false;
}

bool uses_srq(struct dev *dev, uint32_t number)
{
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->qps, i, qp)
		if (qp->srqn == number)
			return true;
	return false;
}

bool uses_memic(struct dev *dev, uint32_t number)
{
	const struct mkey *mkey;
	uint32_t i;

	table_for_each(&dev->mkeys, i, mkey)
		if (mkey->memic == number)
			return true;
	return false;
}

bool uses_umem(struct dev *dev, uint32_t number)
{
	const struct cq *cq;
	const struct qp *qp;
	uint32_t i;

	table_for_each(&dev->cqs, i, cq)
		if (cq->umem == number || cq->doorbell_umem == number)
			return true;
	table_for_each(&dev->qps, i, qp)
		if (qp->umem == number || qp->doorbell_umem == number)
			return true;
	return false;
}

bool uses_context(struct dev *dev, uint32_t number)
{
	const struct table *tables[] = {
		&dev->eqs, &dev->cqs, &dev->srqs, &dev->qps, &dev->mkeys, &dev->pds, &dev->uars,
		&dev->xrcds, &dev->umems, &dev->memics, &dev->reserved_qpns, &dev->mappings,
		&dev->counters, &dev->flow_tables, &dev->flow_groups, &dev->flow_entries,
	};
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (table_has_of(tables[i], number))
			return true;
	return false;
}

enum cmd_status uses_status(struct dev *dev, const struct table *table, uint32_t number,
			    bool (*uses)(struct dev *dev, uint32_t number))
{
	if (!table_own(table, number))
		return CMD_BAD_RESOURCE;
	return uses(dev, number) ? CMD_BAD_RESOURCE_STATE : CMD_OK;
}
