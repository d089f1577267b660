# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""A device with two connected RC queue pairs in one process, using only pyverbs."""

from __future__ import annotations

import contextlib
import os
import time

from pyverbs.addr import GID, AHAttr, GlobalRoute
from pyverbs.cq import CQ
from pyverbs.device import Context, PortAttr
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.wr import SGE, SendWR

DEVICE = os.environ.get("HUGEODP_LAB_DEVICE", "rxe0")
PORT = 1
INFINIBAND = 1  # the link layer of a port with a LID
QPT_RC = 2
WRITE, READ = 0, 4
SIGNALED = 1 << 1
ROCE_V2 = 2
REMOTE = 1 << 1 | 1 << 2 | 1 << 3
CHUNK = 1 << 20
ADDRESS_S = 120


def _gid_index(ctx: Context) -> int:
    """Wait for an IPv4 address: the kernel adds the addresses of a device asynchronously."""
    end = time.monotonic() + ADDRESS_S
    while time.monotonic() < end:
        for entry in ctx.query_gid_table(64):
            if entry.gid_type == ROCE_V2 and entry.gid_subnet_prefix == 0:
                return entry.gid_index
        time.sleep(0.01)
    raise AssertionError("no IPv4 address on the device")


class Rig(contextlib.ExitStack):
    def __init__(self) -> None:
        super().__init__()
        self.ctx = self.enter_context(Context(name=DEVICE))
        self.pd = self.enter_context(PD(self.ctx))
        self.cq = self.enter_context(CQ(self.ctx, 64))
        self.local, self.remote = self._qp(), self._qp()
        self._connect(self.local, self.remote)
        self._connect(self.remote, self.local)

    def _qp(self) -> QP:
        cap = QPCap(max_send_wr=16, max_recv_wr=1)
        init = QPInitAttr(qp_type=QPT_RC, scq=self.cq, rcq=self.cq, cap=cap, sq_sig_all=1)
        return self.enter_context(QP(self.pd, init))

    def _connect(self, qp: QP, peer: QP) -> None:
        port = self.ctx.query_port(PORT)
        attr = QPAttr(port_num=PORT)
        attr.qp_access_flags = REMOTE
        attr.path_mtu = port.active_mtu
        attr.dest_qp_num = peer.qp_num
        attr.ah_attr = self._address(port)
        attr.max_rd_atomic = attr.max_dest_rd_atomic = 16
        attr.min_rnr_timer, attr.timeout, attr.retry_cnt, attr.rnr_retry = 12, 22, 7, 7
        qp.to_rts(attr)

    def _address(self, port: PortAttr) -> AHAttr:
        if port.link_layer == INFINIBAND:
            return AHAttr(port_num=PORT, dlid=port.lid)
        index = _gid_index(self.ctx)
        gid = GID(str(self.ctx.query_gid(PORT, index)))
        return AHAttr(port_num=PORT, is_global=1, gr=GlobalRoute(dgid=gid, sgid_index=index))

    def transfer(self, opcode: int, local: object, remote: object, start: int, length: int) -> list[int]:
        """Transfer between the same offsets of two MRs; returns the status of each completion."""
        statuses = []
        for at in range(start, start + length, CHUNK):
            size = min(CHUNK, start + length - at)
            wr = SendWR(num_sge=1, sg=[SGE(local.buf + at, size, local.lkey)], opcode=opcode,
                        send_flags=SIGNALED)
            wr.set_wr_rdma(remote.rkey, remote.buf + at)
            self.local.post_send(wr)
            statuses.append(self._completion())
        return statuses

    def _completion(self) -> int:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            count, completions = self.cq.poll()
            if count:
                return completions[0].status
            os.sched_yield()
        raise AssertionError("no completion in 300 s")
