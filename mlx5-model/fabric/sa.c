// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fabric/sa.h"

#include "cmd/port.h"
#include "fabric/fabric.h"

/* Offsets in a management datagram and in the two records */
enum mad_at {
	MAD_BASE_VERSION = 0,
	MAD_CLASS = 1,
	MAD_CLASS_VERSION = 2,
	MAD_METHOD = 3,
	MAD_STATUS = 4,
	MAD_ATTRIBUTE = 16,
	MAD_COMPONENTS = 48,
	MAD_RECORD = 56,
};

enum path_at {
	PATH_DGID = 8,
	PATH_SGID = 24,
	PATH_DLID = 40,
	PATH_SLID = 42,
	PATH_FLOW_HOP = 44,
	PATH_TCLASS = 48,
	PATH_REVERSIBLE_COUNT = 49,
	PATH_PKEY = 50,
	PATH_MTU = 54,
	PATH_RATE = 55,
	PATH_LIFETIME = 56,
};

enum member_at {
	MEMBER_GID = 0,
	MEMBER_PORT_GID = 16,
	MEMBER_QKEY = 32,
	MEMBER_LID = 36,
	MEMBER_MTU = 38,
	MEMBER_TCLASS = 39,
	MEMBER_PKEY = 40,
	MEMBER_RATE = 42,
	MEMBER_LIFETIME = 43,
	MEMBER_SL_FLOW_HOP = 44,
	MEMBER_SCOPE_JOIN = 48,
};

#define CLASS_SA 0x03
#define CLASS_SA_VERSION 2
#define METHOD_GET 0x01
#define METHOD_SET 0x02
#define METHOD_SEND 0x03
#define METHOD_TRAP 0x05
#define METHOD_TRAP_REPRESS 0x07
#define METHOD_DELETE 0x15
#define METHOD_RESPONSE 0x80
#define ATTRIBUTE_CLASS_PORT_INFO 0x0001
#define ATTRIBUTE_PATH 0x0035
#define ATTRIBUTE_MEMBER 0x0038

enum sa_status {
	SA_OK = 0,
	SA_BAD_VERSION = 0x0004,
	SA_UNSUPPORTED = 0x000c, /* this method with this attribute */
	SA_NO_RESOURCES = 0x0100,
	SA_INVALID = 0x0200,
	SA_NO_RECORDS = 0x0300,
	SA_INVALID_GID = 0x0500,
	SA_TOO_FEW_COMPONENTS = 0x0600,
};

#define PATH_HAS_DGID (1ull << 2)
#define PATH_HAS_SGID (1ull << 3)
#define PATH_HAS_DLID (1ull << 4)
#define PATH_HAS_SLID (1ull << 5)
#define MEMBER_HAS_GIDS (1ull << 0 | 1ull << 1)
#define MEMBER_HAS_JOIN_STATE (1ull << 16)
/* Q_Key, traffic class, P_Key, service level, flow label: required to create a group */
#define MEMBER_MAKES_GROUP (1ull << 2 | 1ull << 6 | 1ull << 7 | 1ull << 12 | 1ull << 13)

/* Join states that can create a group: not NonMember or SendOnlyNonMember */
#define JOIN_FULL_MEMBER 0x1
#define JOIN_SEND_ONLY_FULL_MEMBER 0x8

#define EXACTLY 0x80 /* the selector before MTU, rate and lifetime */
#define MTU_4096 5
#define RATE_100_GBPS 16
#define LIFETIME 0 /* 4.096 us, the minimum: a message takes no time */
#define PKEY_DEFAULT 0xffff
#define REVERSIBLE_ONE 0x81

/* The group that the administrator creates for IPoIB (RFC 4391 section 4), with its usual Q_Key */
static const uint8_t ip_broadcast[16] = {
	0xff, 0x12, 0x40, 0x1b, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};
#define IP_BROADCAST_QKEY 0x0b1b

/* Find the port that matches gid and lid; NULL matches any. */
static struct dev *sa_port(struct fabric *fabric, const uint8_t *gid, const uint8_t *lid)
{
	struct dev *dev;
	unsigned int i;

	fabric_for_each(fabric, i, dev)
		if ((!gid || port_has_gid(dev, gid)) && (!lid || get_be16(lid) == dev->lid))
			return dev;
	return NULL;
}

static enum sa_status sa_class_port_info(uint8_t *info)
{
	memset(info, 0, SA_MAD_SIZE - MAD_RECORD);
	info[0] = 1;
	info[1] = CLASS_SA_VERSION;
	return SA_OK;
}

static enum sa_status sa_path(struct fabric *fabric, uint64_t components, uint8_t *path)
{
	const uint8_t *dgid = components & PATH_HAS_DGID ? path + PATH_DGID : NULL;
	const uint8_t *sgid = components & PATH_HAS_SGID ? path + PATH_SGID : NULL;
	const uint8_t *dlid = components & PATH_HAS_DLID ? path + PATH_DLID : NULL;
	const uint8_t *slid = components & PATH_HAS_SLID ? path + PATH_SLID : NULL;
	const struct dev *from = sa_port(fabric, sgid, slid), *to = sa_port(fabric, dgid, dlid);

	if (!(sgid || slid) || !(dgid || dlid))
		return SA_TOO_FEW_COMPONENTS;
	if (!from || !to)
		return SA_NO_RECORDS;
	if (!dgid)
		port_gid(to, 0, path + PATH_DGID);
	if (!sgid)
		port_gid(from, 0, path + PATH_SGID);
	put_be16(path + PATH_DLID, to->lid);
	put_be16(path + PATH_SLID, from->lid);
	put_be32(path + PATH_FLOW_HOP, 0);
	path[PATH_TCLASS] = 0;
	path[PATH_REVERSIBLE_COUNT] = REVERSIBLE_ONE;
	put_be16(path + PATH_PKEY, PKEY_DEFAULT);
	path[PATH_MTU] = EXACTLY | MTU_4096;
	path[PATH_RATE] = EXACTLY | RATE_100_GBPS;
	path[PATH_LIFETIME] = EXACTLY | LIFETIME;
	return SA_OK;
}

static bool sa_group_used(const struct sa_group *group)
{
	unsigned int i;

	for (i = 0; i < SA_PORTS; i++)
		if (group->joined[i])
			return true;
	return false;
}

static struct sa_group *sa_group(struct sa *sa, const uint8_t *gid)
{
	unsigned int i;

	for (i = 0; i < SA_GROUPS; i++)
		if (sa_group_used(&sa->groups[i]) && !memcmp(sa->groups[i].gid, gid, 16))
			return &sa->groups[i];
	return NULL;
}

static enum sa_status sa_make_group(struct sa *sa, uint64_t components, const uint8_t *member,
				    struct sa_group **made)
{
	const uint8_t makes = JOIN_FULL_MEMBER | JOIN_SEND_ONLY_FULL_MEMBER;
	struct sa_group *group = sa->groups;
	bool broadcast = !memcmp(member + MEMBER_GID, ip_broadcast, sizeof(ip_broadcast));

	if (member[MEMBER_GID] != 0xff)
		return SA_INVALID_GID;
	if (!(member[MEMBER_SCOPE_JOIN] & makes))
		return SA_INVALID;
	if (!broadcast && (components & MEMBER_MAKES_GROUP) != MEMBER_MAKES_GROUP)
		return SA_TOO_FEW_COMPONENTS;
	while (group < sa->groups + SA_GROUPS && sa_group_used(group))
		group++;
	if (group == sa->groups + SA_GROUPS)
		return SA_NO_RESOURCES;
	memset(group, 0, sizeof(*group));
	memcpy(group->gid, member + MEMBER_GID, 16);
	group->qkey = broadcast ? IP_BROADCAST_QKEY : get_be32(member + MEMBER_QKEY);
	group->pkey = broadcast ? PKEY_DEFAULT : get_be16(member + MEMBER_PKEY);
	if (!broadcast) {
		group->traffic_class = member[MEMBER_TCLASS];
		group->sl_flow_hop = get_be32(member + MEMBER_SL_FLOW_HOP);
	}
	*made = group;
	return SA_OK;
}

static void sa_describe(const struct sa *sa, const struct sa_group *group, unsigned int joined,
			uint8_t *member)
{
	put_be32(member + MEMBER_QKEY, group->qkey);
	put_be16(member + MEMBER_LID, FABRIC_MULTICAST_LID + (group - sa->groups));
	member[MEMBER_MTU] = EXACTLY | MTU_4096;
	member[MEMBER_TCLASS] = group->traffic_class;
	put_be16(member + MEMBER_PKEY, group->pkey);
	member[MEMBER_RATE] = EXACTLY | RATE_100_GBPS;
	member[MEMBER_LIFETIME] = EXACTLY | LIFETIME;
	put_be32(member + MEMBER_SL_FLOW_HOP, group->sl_flow_hop);
	/* the scope is a part of the group's GID */
	member[MEMBER_SCOPE_JOIN] = group->gid[1] << 4 | joined;
}

static enum sa_status sa_member(const struct dev *port, bool leave, uint64_t components,
				uint8_t *member)
{
	struct sa *sa = &port->fabric->sa;
	struct sa_group *group = sa_group(sa, member + MEMBER_GID);
	unsigned int state = member[MEMBER_SCOPE_JOIN] & 0xf;
	enum sa_status status;
	uint8_t *joined;

	if ((components & MEMBER_HAS_GIDS) != MEMBER_HAS_GIDS ||
	    !(components & MEMBER_HAS_JOIN_STATE))
		return SA_TOO_FEW_COMPONENTS;
	/* a port can only join and leave for itself */
	if (!port_has_gid(port, member + MEMBER_PORT_GID) || !state)
		return SA_INVALID;
	if (!group && leave)
		return SA_NO_RECORDS;
	if (!group) {
		status = sa_make_group(sa, components, member, &group);
		if (status != SA_OK)
			return status;
	}
	joined = &group->joined[fabric_index(port)];
	if (leave && !(*joined & state))
		return SA_INVALID;
	*joined = leave ? *joined & ~state : *joined | state;
	sa_describe(sa, group, *joined, member);
	return SA_OK;
}

static enum sa_status sa_execute(const struct dev *port, const uint8_t *request, uint8_t *record)
{
	unsigned int method = request[MAD_METHOD];
	uint64_t components = get_be64(request + MAD_COMPONENTS);

	if (request[MAD_CLASS_VERSION] != CLASS_SA_VERSION)
		return SA_BAD_VERSION;
	switch (get_be16(request + MAD_ATTRIBUTE)) {
	case ATTRIBUTE_CLASS_PORT_INFO:
		if (method == METHOD_GET)
			return sa_class_port_info(record);
		break;
	case ATTRIBUTE_PATH:
		if (method == METHOD_GET)
			return sa_path(port->fabric, components, record);
		break;
	case ATTRIBUTE_MEMBER:
		if (method == METHOD_SET || method == METHOD_DELETE)
			return sa_member(port, method == METHOD_DELETE, components, record);
		break;
	}
	return SA_UNSUPPORTED;
}

static bool sa_wants_answer(unsigned int method)
{
	return !(method & METHOD_RESPONSE) && method != METHOD_SEND && method != METHOD_TRAP &&
	       method != METHOD_TRAP_REPRESS;
}

bool sa_answer(const struct dev *port, const uint8_t *request, uint8_t *reply)
{
	unsigned int method = request[MAD_METHOD];

	if (request[MAD_BASE_VERSION] != 1 || request[MAD_CLASS] != CLASS_SA ||
	    !sa_wants_answer(method))
		return false;
	memcpy(reply, request, SA_MAD_SIZE);
	/* Set is answered with GetResp, as Get is */
	reply[MAD_METHOD] = (method == METHOD_SET ? METHOD_GET : method) | METHOD_RESPONSE;
	put_be16(reply + MAD_STATUS, sa_execute(port, request, reply + MAD_RECORD));
	return true;
}

void sa_forget(struct fabric *fabric, const struct dev *dev)
{
	unsigned int i;

	for (i = 0; i < SA_GROUPS; i++)
		fabric->sa.groups[i].joined[fabric_index(dev)] = 0;
}
