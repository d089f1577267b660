/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * One ODP MR of a device with a table of its own: page faults, a prefetch without faults, an
 * invalidation by the mm, a request for other page sizes, growth, and the deregistration.
 *
 * The MR has two base pages. Blocks of the sizes 1 and 2 hold both of them; they differ in what
 * memory has to be for them. Each step has the name of the kernel function that makes it. Lines
 * with "@code" name text that must be in the file: see check-code.sh.
 *
 * Which threads there are: FAULTS=n page faults (2), of the first and the second page; DROPS=n
 * invalidations (1); PREFETCH, MODIFY, GROW, DEREG. TAKE: the request also maps what is there.
 * RESERVE: pieces of the table may be missing. SHORT: fewer ways to begin. STRICT: an MR that
 * accepts one large size gets a request for the smaller ones. BUG_...: seeded defects, of which
 * run-spin.sh has the list.
 *
 * odp_change_table() changes what is accepted together with the sizes; CHECK_ACCEPTED is the property
 * that needs it.
 *
 * @code drivers/infiniband/core/umem_odp_dma.c: odp_dma_same(map)
 * @code drivers/infiniband/core/umem_odp_dma.c: ret = odp_dma_map_all(&map);
 * @code drivers/infiniband/core/umem_odp_dma.c: ib_umem_odp_get_geometry(umem_odp, &map.geo);
 * @code drivers/infiniband/core/umem_odp_dma.c: mutex_unlock(&umem_odp->umem_mutex);
 * @code drivers/infiniband/core/umem_odp_look.c: look->seq = mmu_interval_read_begin(look->notifier);
 * @code drivers/infiniband/core/umem_odp_look.c: ret = hmm_range_fault_unlocked_timeout(&range, ODP_TIMEOUT);
 * @code drivers/infiniband/core/umem_odp_resize.c: same = pages->generation == generation;
 * @code drivers/infiniband/core/umem_odp_resize.c: ret = odp_set_sizes(umem_odp, BIT_ULL(shift), NULL);
 * @code drivers/infiniband/core/umem_odp_resize.c: ret = pages->ops->clear(umem_odp);
 * @code drivers/infiniband/core/umem_odp_resize.c: ret = pages->ops->resize(umem_odp);
 * @code drivers/infiniband/core/umem_odp_resize.c: WRITE_ONCE(pages->generation, pages->generation + 1);
 * @code drivers/infiniband/core/umem_odp_resize.c: odp_set_terms(umem_odp, terms);
 * @code drivers/infiniband/core/umem_odp_resize.c: if (!mutex_trylock(&umem_odp->resize_mutex))
 * @code drivers/infiniband/core/umem_odp_resize.c: cancel_delayed_work_sync(&umem_odp->pages.grow);
 * @code drivers/infiniband/core/umem_odp_resize.c: mmu_interval_notifier_remove(&umem_odp->notifier);
 * @code drivers/infiniband/hw/mlx5/odp.c: mmu_interval_set_seq(mni, cur_seq);
 * @code drivers/infiniband/hw/mlx5/odp.c: ib_umem_odp_invalidate(umem_odp, start, end);
 * @code drivers/infiniband/hw/mlx5/odp.c: if (!odp->private) {
 * @code drivers/infiniband/hw/mlx5/odp.c: if (!refcount_dec_and_test(&mr->odp_refs))
 * @code drivers/infiniband/hw/mlx5/odp.c: get_faulting_mr(mr);
 * @code drivers/infiniband/hw/mlx5/odp_pages.c: err = mlx5r_odp_take(mr);
 * @code drivers/infiniband/hw/mlx5/odp_pages.c: return mlx5r_umr_update_mr_page_shift(mr, umem_odp->page_shift);
 * @code drivers/infiniband/hw/mlx5/mr.c: mlx5r_deref_wait_odp_mkey(&mr->mmkey);
 * @code drivers/infiniband/hw/mlx5/mr.c: to_ib_umem_odp(mr->umem)->private = NULL;
 */

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef DROPS
#define DROPS 1
#endif
#ifdef STRICT
#define FROM_STRICT true
#define FROM_ANY false
#define TOP 2
#else
#define FROM_STRICT false
#define FROM_ANY true
#define TOP 1
#endif

/* What READ_ONCE(), the mutexes and the device say of errors does not matter: only which ones. */
#define OK 0
#define EAGAIN 1
#define ERANGE 2
#define EFAULT 3
#define ENOENT 4
#define ENOMEM 5
#define EBUSY 6

/* An entry of a look: a frame, or one of these. */
#define NOTHING 0
#define FINER 255

/* --- the memory of the process: the frame of each page, and the order of the folio they are in.
 * A folio of both pages starts at an odd frame. No frame is used twice. */
byte pt[2];
byte folio;
byte next_frame = 1;

/* --- the notifier: mmu_notifier_subscriptions and mmu_interval_notifier */
byte subs_seq = 2;
byte notifier_seq = 1;
bool subscribed = true;
bool remove_deferred;

/* --- struct ib_umem_odp */
byte umem_mutex;
byte resize_mutex;
byte generation;
byte shift;
byte accepted; /* bit mask of sizes */
byte asked; /* ghost: what was accepted by the request that chose the present table */
byte tab[2];
bool private = true;
bool umem_freed;

/* --- struct mlx5_ib_mr */
byte odp_refs = 1;
bool in_odp_mkeys = true;
byte usecount = 1;
bool uobj_busy, uobj_gone; /* uverbs: MODIFY_ODP holds the object, DESTROY wants it alone */

/* --- the device: the mkey */
bool mkey_valid = true;
byte dev_shift;
byte dev[2];

/* pages.grow */
#define IDLE 0
#define RUNNING 1
#define CANCELLED 2
byte grow_state;

#define BIT(s) (1 << (s))
#define INDEX(s, page) ((s) == 0 -> (page) : 0)
/* The frame that the device gets for a page. */
#define TRANSLATION(page) \
	(!mkey_valid || !dev[INDEX(dev_shift, page)] -> 0 : \
	 dev[INDEX(dev_shift, page)] + (dev_shift -> (page) : 0))
/* What the device can reach is the memory of the process, and mapped for DMA. */
#define DEVICE_OK(page) \
	(!TRANSLATION(page) || \
	 (TRANSLATION(page) == pt[page] && dev_shift == shift && \
	  tab[INDEX(shift, page)] == dev[INDEX(shift, page)]))
#define TABLE_OK(page) \
	(!tab[INDEX(shift, page)] || \
	 tab[INDEX(shift, page)] + (shift -> (page) : 0) == pt[page])

inline check()
{
	assert(DEVICE_OK(0) && DEVICE_OK(1));
	assert(TABLE_OK(0) && TABLE_OK(1))
}

/*
 * To be used within atomic. What umem_mutex protects is used under it only, so a section that does
 * not wait is one step. What the device sees in the middle of it is what check() is for.
 */
inline lock_umem()
{
	umem_mutex == 0;
	assert(!umem_freed)
}

/* mlx5r_umr_update_xlt(..., MLX5_IB_UPD_XLT_ZAP): whole units of entries, so both go */
inline zap()
{
	dev[0] = 0;
	dev[1] = 0;
	check()
}

/* ib_umem_odp_unmap_dma_pages(): the device must not have the entry any more */
inline unmap(idx)
{
	assert(!mkey_valid || !dev[idx]);
	tab[idx] = 0
}

/* odp_set_sizes(): odp_change_table() under umem_mutex; what is allocated before does not matter */
inline set_sizes(new, request)
{
	if
	:: new == shift -> asked = request
	:: else ->
		/* pages->ops->clear(): mlx5r_odp_clear() */
		if
#ifndef BUG_NO_CLEAR
		:: private && (tab[0] || tab[1]) -> zap()
#endif
		:: else
		fi;
		unmap(0);
		unmap(1);
		/* pages->ops->resize(): mlx5r_odp_resize(), which fails if the MR is about to go */
		if
		:: private ->
			/* odp_swap_tables() */
			shift = new;
			check();
			dev_shift = new;
			asked = request;
#ifndef BUG_SAME_GENERATION
			generation++;
#endif
			check()
		:: private -> skip
		:: !private -> skip
		fi
	fi
}

/* odp_smaller_sizes() */
inline smaller_sizes()
{
	lock_umem();
	if
	:: generation != gen -> ret = EAGAIN
	:: else ->
		if
		:: accepted & (BIT(shift) - 1) -> ret = OK
		:: else -> ret = ERANGE
		fi
	fi
}

/* ib_umem_odp_step_down() */
inline step_down()
{
	atomic {
		smaller_sizes();
#ifdef CHECK_ACCEPTED
		/* A fault fails only if the request in force accepts nothing that it could use. */
		assert(ret != ERANGE || !(asked & (BIT(shift) - 1)))
#endif
	}
	if
	:: ret == OK ->
		atomic { resize_mutex == 0; resize_mutex = _pid }
		atomic {
			smaller_sizes();
			if
			:: ret == OK ->
				/* ib_odp_shift_now(): advice, which may be old when it is used */
				if
				:: accepted & BIT(0) -> set_sizes(0, asked)
				:: shift == 2 && (accepted & BIT(1)) -> set_sizes(1, asked)
				fi;
				ret = EAGAIN
			:: else
			fi;
			resize_mutex = 0
		}
	:: else
	fi
}

/* Not there, or not as a block of the size */
#define MISSES(pfn) ((pfn) == NOTHING || (pfn) == FINER)

/*
 * ib_odp_look(): a look, and one fault before the last one. The snapshot of hmm_range_fault() reads
 * page by page, without a lock that stops invalidations. HMM gives up early if the sequence has
 * changed, which saves work and nothing else.
 */
inline look(page, wants)
{
	do
	:: true ->
#ifndef BUG_LATE_BEGIN
		read_begin();
#endif
		pfn[0] = pt[(gshift == 0 && wants -> page : 0)];
		atomic {
			if
			:: gshift == 0 && wants -> skip
			:: gshift == 0 && !wants -> pfn[1] = pt[1]
			:: else ->
				/* odp_look_scan(): the other page, and the folio */
				pfn[1] = pt[1];
				if
				:: !pfn[0] && !pfn[1] -> skip
				:: pfn[0] && pfn[1] == pfn[0] + 1 && folio >= gshift -> skip
				:: else -> pfn[0] = FINER
				fi;
				pfn[1] = NOTHING
			fi;
			/* with odp_dma_check() */
			if
			:: !wants || !MISSES(pfn[0]) -> ret = OK
			:: wants && MISSES(pfn[0]) && tried && pt[page] -> ret = ERANGE
			:: else -> tried = true; pfn[0] = 0; seq = 0; ret = EBUSY
			fi
		}
#ifdef BUG_LATE_BEGIN
		read_begin();
#endif
		if
		:: ret == EBUSY -> fault_in(page)
		:: else -> break
		fi;
		if
		:: ret == EFAULT -> break
		:: else
		fi
	od;
	tried = false
}

/* mmu_interval_read_begin(): two reads under the lock of the subscriptions */
inline read_begin()
{
	atomic {
		assert(!umem_freed);
		seq = notifier_seq;
		wait = seq == subs_seq
	}
	if
	:: wait -> atomic { subs_seq != seq; wait = false }
	:: else
	fi
}

/*
 * hmm_range_fault_unlocked_timeout(): no lock of ours is held. The page may be one that a process
 * has to provide, and that may never do so: a thread may stay here for ever.
 */
inline fault_in(page)
{
#ifdef BUG_LOCK_OVER_FAULT
	atomic { lock_umem(); umem_mutex = _pid }
#endif
	if
	:: atomic { pt[page] -> ret = OK }
	:: atomic {
		!pt[page] ->
		pt[page] = next_frame;
		next_frame = next_frame + 3;
		folio = 0;
		ret = OK
	   }
	/* one fault brings the whole folio if both pages are missing */
	:: atomic {
		!pt[0] && !pt[1] ->
		pt[0] = next_frame;
		pt[1] = next_frame + 1;
		next_frame = next_frame + 3;
		folio = 2;
		ret = OK
	   }
	/* nothing is mapped there */
	:: atomic { !pt[page] -> ret = EFAULT }
	:: !pt[page] ->
end_user:	false
	fi
#ifdef BUG_LOCK_OVER_FAULT
	;
	umem_mutex = 0
#endif
}

/* odp_dma_same() */
#ifdef BUG_NO_RETRY
#define SAME_SEQ true
#else
#define SAME_SEQ (notifier_seq == seq)
#endif
#ifdef BUG_NO_GENERATION
#define SAME_GENERATION true
#else
#define SAME_GENERATION (generation == gen)
#endif
#ifdef BUG_NO_RESERVE_CHECK
#define SAME_RESERVED true
#else
#define SAME_RESERVED SAME
#endif
#define SAME (SAME_SEQ && SAME_GENERATION)

#define FIRST(page, wants) (wants && gshift == 0 -> page : 0)

/* odp_dma_set() for all that the look has found */
inline set_entries(page, wants)
{
	if
	:: MISSES(pfn[0])
	:: else -> tab[FIRST(page, wants)] = pfn[0]
	fi;
	if
	:: MISSES(pfn[1])
	:: else -> tab[1] = pfn[1]
	fi;
	check();
	pfn[0] = 0;
	pfn[1] = 0
}

/*
 * mlx5r_umr_update_xlt() in pagefault_real_mr(): populate_mtt() takes the entries of the table, in
 * whole units. The mkey may belong to another MR once this one is revoked.
 */
inline update_xlt(page, wants)
{
	if
#ifndef BUG_NO_PRIVATE
	:: !private -> ret = ENOENT
#endif
	:: else ->
		assert(mkey_valid);
		dev[0] = tab[0];
		if
		:: shift == 0 -> dev[1] = tab[1]
		:: else
		fi;
		check();
		/* The fault is served: the device finds the page. */
		assert(!wants || TRANSLATION(page))
	fi
}

/* In the step that fills the table */
#ifdef BUG_EARLY_UNLOCK
#define UPDATE_NOW(page, wants) skip
#else
#define UPDATE_NOW(page, wants) update_xlt(page, wants)
#endif

/*
 * What a device wants in the table and in its own. @wants: pagefault_real_mr() for @page; without,
 * with MLX5_PF_FLAGS_SNAPSHOT for all of the MR: a prefetch, or mlx5r_odp_take().
 */
inline map(page, wants)
{
	/* READ_ONCE(odp->private) saves work only, as does READ_ONCE(umem_odp->pages.generation) */
	do
	:: true ->
		/* ib_umem_odp_get_geometry() */
		atomic { lock_umem(); gen = generation; gshift = shift }
		look(page, wants);
		if
		:: ret == OK ->
			/* odp_dma_install(), odp_dma_reserve() */
			atomic {
				lock_umem();
				if
				:: !SAME -> ret = EAGAIN
				:: SAME -> set_entries(page, wants); UPDATE_NOW(page, wants)
#ifdef RESERVE
				/* a piece of the table is missing: it is allocated without the mutex */
				:: SAME -> ret = ENOMEM
#endif
				fi
			}
#ifdef RESERVE
			if
			:: ret == ENOMEM ->
				atomic {
					lock_umem();
					if
					:: SAME_RESERVED -> ret = OK; set_entries(page, wants);
						UPDATE_NOW(page, wants)
					:: else -> ret = EAGAIN
					fi
				}
			:: else
			fi;
#endif
#ifdef BUG_EARLY_UNLOCK
			if
			:: ret == OK -> atomic { lock_umem(); update_xlt(page, wants) }
			:: else
			fi;
#endif
			skip
		:: ret == ERANGE -> step_down()
		:: else
		fi;
		if
		:: ret != EAGAIN -> break
		:: else -> skip
		fi
	od;
	atomic { pfn[0] = 0; pfn[1] = 0; seq = 0; gen = 0; gshift = 0 }
}

/* ib_umem_odp_release() by the last reference: ib_umem_odp_free_pages() */
inline free_pages()
{
	/* cancel_delayed_work_sync() */
	atomic { grow_state != RUNNING -> grow_state = CANCELLED }
	atomic { lock_umem(); unmap(0); unmap(1) }
	/* mmu_interval_notifier_remove(): now, or at the end of what is under way */
	atomic {
		seq = subs_seq;
		wait = subs_seq & 1;
		remove_deferred = wait;
		subscribed = wait
	}
	if
	:: wait -> atomic { subs_seq != seq; wait = false }
	:: else
	fi;
	atomic { assert(!subscribed && !umem_mutex && !resize_mutex); umem_freed = true; seq = 0 }
}

/* mlx5r_odp_mr_put() */
inline mr_put()
{
	atomic { odp_refs--; last = odp_refs == 0 }
	if
	:: last -> free_pages()
	:: else
	fi
}

#define LOCALS \
	byte ret, gen, gshift, seq; \
	byte pfn[2]; \
	bool wait, last, tried

proctype fault(byte page; bool wants)
{
	LOCALS;

	/* get_memory_fault_mr(), get_prefetchable_mr(): under the lock of odp_mkeys */
	atomic {
		if
		:: in_odp_mkeys -> odp_refs++
		:: else -> goto out
		fi
#ifdef BUG_DEREG_WAITS
		;
		usecount++
#endif
	}
	map(page, wants);
	/* put_faulting_mr() */
#ifdef BUG_DEREG_WAITS
	usecount--;
#endif
	mr_put();
out:	skip
}

/* The mm: __mmu_notifier_invalidate_range_start() to _end(), of one page or both */
proctype invalidate()
{
	byte from, first, seq, left = DROPS;
	bool called;

	do
	:: left == 0 -> break
	:: left > 0 ->
		/* mn_itree_inv_start_range() */
		atomic {
			left--;
			if
			:: from = 0
			:: from = 1
			fi;
			called = subscribed;
			if
			:: called -> subs_seq = subs_seq | 1
			:: else
			fi;
			seq = subs_seq
		}
		/* mlx5_ib_invalidate_range() */
		if
		:: called ->
			atomic {
				lock_umem();
				notifier_seq = seq;
				first = INDEX(shift, from);
				if
#ifndef BUG_NO_ZAP
				:: private && (tab[first] || (shift == 0 && tab[1])) -> zap()
#endif
				:: else
				fi;
				unmap(first);
				if
				:: shift == 0 -> unmap(1)
				:: else
				fi
			}
		:: else
		fi;
		/* what the mm wanted it for: memory goes, moves, is split or collapsed */
		if
		:: d_step { true -> pt[1] = 0; pt[from] = 0; folio = 0; check() }
		:: d_step {
			from == 0 ->
			pt[0] = next_frame;
			pt[1] = next_frame + 1;
			next_frame = next_frame + 3;
			folio = 2;
			check()
		   }
		:: d_step {
			from == 0 ->
			pt[0] = next_frame;
			pt[1] = next_frame + 1;
			next_frame = next_frame + 3;
			folio = 1;
			check()
		   }
		:: d_step {
			from == 1 ->
			pt[1] = next_frame;
			next_frame = next_frame + 3;
			folio = 0;
			check()
		   }
		fi;
		/* mn_itree_inv_end() */
		atomic {
			if
			:: called ->
				subs_seq++;
				if
				:: remove_deferred -> subscribed = false; remove_deferred = false
				:: else
				fi
			:: else
			fi;
			called = false
		}
	od
}

/* mlx5r_modify_mr_odp() */
proctype modify(byte request)
{
	LOCALS;

	/* uverbs: several calls may use the object, a deregistration is refused meanwhile */
	atomic {
		if
		:: !uobj_gone -> uobj_busy = true
		:: else -> goto out
		fi
	}
	/* ib_umem_odp_renegotiate() */
	atomic { resize_mutex == 0; resize_mutex = _pid }
	/* ib_umem_odp_choose_sizes(): advice, which may be old when it is used; odp_set_sizes() */
	atomic {
		lock_umem();
		if
		:: request & BIT(0) -> set_sizes(0, request)
		:: request & BIT(1) -> set_sizes(1, request)
		:: request & BIT(2) -> set_sizes(2, request)
		fi
#ifdef BUG_ACCEPTED_LATER
	}
	atomic { lock_umem(); accepted = asked }
#else
		;
		accepted = asked
	}
#endif
	resize_mutex = 0;
#ifdef TAKE
	/* mlx5r_odp_take(): if the generation is another one, and at no cost here if not */
	map(0, false);
#endif
	uobj_busy = false;
out:	skip
}

/* odp_grow_work(), which is queued by ib_umem_odp_want_growth() */
proctype grow()
{
	atomic {
		if
		:: grow_state == IDLE -> grow_state = RUNNING
		:: else -> goto out
		fi
	}
	/* mutex_trylock(&umem_odp->resize_mutex) */
	atomic {
		if
		:: resize_mutex == 0 -> resize_mutex = _pid
		:: else -> goto done
		fi
	}
	/* odp_grow(): odp_can_grow_to() says what memory was a moment ago */
	atomic {
		lock_umem();
		if
		:: shift < 2 && (accepted & BIT(2)) -> set_sizes(2, asked)
		:: shift < 1 && (accepted & BIT(1)) -> set_sizes(1, asked)
		:: true
		fi;
		resize_mutex = 0
	}
done:	grow_state = IDLE;
out:	skip
}

/* __mlx5_ib_dereg_mr() */
proctype dereg()
{
	byte seq;
	bool wait, last;

	atomic { !uobj_busy; uobj_gone = true }
	atomic { in_odp_mkeys = false; usecount-- }
	/* mlx5r_deref_wait_odp_mkey(): for those that make children, and for no page fault */
	usecount == 0;
	/* mlx5r_handle_mkey_cleanup(): mlx5_umr_revoke_mr_with_lock() */
	atomic { lock_umem(); mkey_valid = false; private = false }
	/* mlx5r_odp_mr_put() */
	mr_put()
}

init {
	atomic {
		/* what was registered, and what is asked for then */
		if
		:: FROM_ANY -> accepted = 3; shift = 1
#ifndef SHORT
		:: FROM_ANY -> accepted = 3; shift = 0
#endif
		:: FROM_STRICT -> accepted = BIT(TOP); shift = TOP
		fi;
		asked = accepted;
		dev_shift = shift;
		/* no memory yet, or all of it */
		if
#ifndef SHORT
		:: skip
#endif
		:: pt[0] = next_frame; pt[1] = next_frame + 1; folio = 2; next_frame = 4
		fi;
		run invalidate();
		run fault(0, true);
#if FAULTS > 1
		run fault(1, true);
#endif
#ifdef PREFETCH
		run fault(0, false);
#endif
#ifdef MODIFY
		if
		:: run modify(3)
#ifndef SHORT
		:: run modify(2)
		:: run modify(1)
#endif
		fi;
#endif
#ifdef GROW
		run grow();
#endif
#ifdef DEREG
		run dereg();
#endif
		skip
	}
}
