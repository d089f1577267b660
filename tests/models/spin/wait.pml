/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A request of rxe that waits for a page fault: the task of a QP, the work that serves the fault,
 * an invalidation, and the destruction of the QP.
 *
 * @code drivers/infiniband/sw/rxe/rxe_odp.c: smp_store_release(&fault->done, true);
 * @code drivers/infiniband/sw/rxe/rxe_odp.c: rxe_sched_task(fault->task);
 * @code drivers/infiniband/sw/rxe/rxe_odp.c: if (!smp_load_acquire(&fault->done))
 * @code drivers/infiniband/sw/rxe/rxe_odp.c: WRITE_ONCE(fault->task, NULL);
 * @code drivers/infiniband/sw/rxe/rxe_task.c: task->state = TASK_STATE_ARMED;
 * @code drivers/infiniband/sw/rxe/rxe_task.c: flush_work(&task->work);
 */
#define IDLE 0
#define BUSY 1
#define ARMED 2
#define DRAINING 3
#define DRAINED 4
#define INVALID 5

/* faults that a request may need */
#define MAX 2

byte state = IDLE; /* of the task, under its lock */
bool queued; /* the work of the task */
bool running;
bool mapped;
bool finished; /* the request is complete, with an error or without */
bool qp_freed;
bool destroyed;

/* struct rxe_odp_fault */
byte current = MAX; /* wait->fault */
byte nr;
bool task[MAX];
bool done[MAX];
byte refs[MAX];
bool work[MAX]; /* queued */
bool stuck;

/* rxe_sched_task(), __reserve_if_idle() */
inline sched_task()
{
	assert(!qp_freed);
	if
	:: state == IDLE -> state = BUSY; queued = true
#ifndef BUG_NOT_ARMED
	:: state == BUSY -> state = ARMED
#endif
	:: else
	fi
}

inline put(f)
{
	assert(refs[f]);
	refs[f]--
}

/* rxe_odp_cancel(): under fault->lock */
inline cancel()
{
	atomic {
		if
		:: current < MAX ->
			assert(refs[current]);
#ifndef BUG_NO_CANCEL
			task[current] = false;
#endif
			put(current);
			current = MAX
		:: else
		fi
	}
}

/* rxe_odp_fault(): true in "again" if the task has nothing to wait for */
inline fault()
{
	if
	:: current < MAX ->
		/* smp_load_acquire(&fault->done) */
		if
		:: done[current] -> cancel()
		:: else -> goto wait
		fi
	:: else
	fi;
	if
	:: nr < MAX ->
		atomic {
			current = nr;
			refs[nr] = 2;
			task[nr] = true;
			work[nr] = true;
			nr++
		}
	:: else -> finished = true
	fi
}

/* do_task(), do_work() */
proctype rxe_task()
{
end:	do
	:: atomic {
		queued && !running -> queued = false;
		if
		:: state >= DRAINED -> goto again
		:: else -> running = true
		fi
	   }
loop:	/* task->func(): rxe_odp_map_range_and_lock(), the table under umem_mutex */
	if
	:: finished
	:: atomic { !finished && mapped -> finished = true }
	:: else -> fault()
	fi;
wait:	atomic {
		if
		:: state == BUSY -> state = IDLE; running = false
		:: state == ARMED -> state = BUSY; goto loop
		:: state == DRAINING -> state = DRAINED; running = false
		fi
	}
again:	skip
	od
}

/* rxe_odp_fault_work() */
proctype fault_work(byte f)
{
	bool wants;

end:	work[f];
	wants = task[f];
	if
	:: wants ->
		/* ib_umem_odp_map_and_lock(), which may wait for user space for ever */
		if
		:: mapped = true
		:: skip /* it failed */
		:: atomic { true -> stuck = true }
end_user:		false
		fi
	:: else
	fi;
	/* under fault->lock */
#ifdef BUG_SCHED_FIRST
	atomic {
		if
		:: task[f] -> sched_task()
		:: else
		fi
	}
	done[f] = true;
#else
	atomic {
		done[f] = true;
		if
		:: task[f] -> sched_task()
		:: else
		fi
	}
#endif
	put(f)
}

proctype invalidate()
{
	/* rxe_ib_invalidate_range() */
	mapped = false
}

/* rxe_qp_do_cleanup(): rxe_cleanup_task(), then what the request waits for */
proctype destroy()
{
	atomic {
		if
		:: !(state == IDLE && !queued) && state < DRAINED -> state = DRAINING
		:: else -> state = INVALID
		fi
	}
#ifdef BUG_DESTROY_WAITS
	current == MAX || done[current];
#endif
	if
	:: state == DRAINING -> atomic { !queued && !running; state = INVALID }
	:: else
	fi;
	cancel();
	qp_freed = true;
	destroyed = true
}

init {
	atomic {
		state = BUSY;
		queued = true;
		run rxe_task();
		run fault_work(0);
		run fault_work(1);
		run invalidate();
#ifdef DESTROY
		run destroy();
#endif
	}
	/* nothing runs any more: the request is complete, or a page was not provided */
	timeout;
#ifdef DESTROY
	assert(destroyed);
#else
	assert(finished || stuck);
#endif
}
