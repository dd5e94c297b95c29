-- Copyright (c) 2026 The Even Keel Authors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- The state database as version 0.1.0 left it: its tables, and rows that its own code has written. Not to be
-- changed: controllers with that version may share the database during an upgrade.
CREATE TABLE capacity_grant (
    lease TEXT NOT NULL,
    pool TEXT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory BIGINT NOT NULL,
    storage BIGINT NOT NULL,
    PRIMARY KEY (lease, pool)
);
INSERT INTO capacity_grant VALUES('ae90a086ac93fa53','dal10',8,8589934592,0);
CREATE TABLE capacity_hold (
    lease TEXT NOT NULL,
    cluster TEXT NOT NULL,
    guest TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (lease, cluster, guest)
);
INSERT INTO capacity_hold VALUES('ae90a086ac93fa53','proxmox:prod','new1','{"cpu": 4, "disks": [], "guest": "new1", "host": "pve1", "memory": 8589934592, "networks": [], "tags": []}');
CREATE TABLE capacity_hold_count (
    cluster TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO capacity_hold_count VALUES('proxmox:prod',1);
CREATE TABLE capacity_lease (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    number BIGINT NOT NULL,
    phase TEXT NOT NULL,
    reason TEXT NOT NULL,
    request TEXT NOT NULL,
    result TEXT,
    requested_at DOUBLE PRECISION NOT NULL,
    granted_at DOUBLE PRECISION,
    granted_number BIGINT,
    until DOUBLE PRECISION,
    ended_at DOUBLE PRECISION,
    ended_number BIGINT,
    place_until DOUBLE PRECISION,
    waiter TEXT,
    holder TEXT
);
INSERT INTO capacity_lease VALUES('ae90a086ac93fa53','running',1,'Fulfilled','leased from dal10','{"group": null, "lifetime": 311040000, "max_servers": null, "memory": 8589934592, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": "job-1", "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 8}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": false, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal10\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 16, \"zone\": null}"]',1796009008.298,1796009008.298,2,2107049008.298,NULL,NULL,NULL,NULL,'{"host": "controller-1", "pid": 11, "born": "4711", "place": "7d3f boot pid:[1]", "token": "aa"}');
INSERT INTO capacity_lease VALUES('c6b958e74be22b18','unfulfilled',3,'Failed','not fulfilled within 0 s, at position 1 of the queue: 0 of 1 pools have room for 12 vCPUs: 1 vcpus; free now: pool dal10 8 vCPUs, 56G memory, 0 storage','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 12}',NULL,1796009008.326,NULL,NULL,NULL,1796009008.339,4,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('1dd7ae04fc7ffc52','withdrawn',5,'Released','withdrawn from the queue','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 12}',NULL,1796009008.348,NULL,NULL,NULL,1796009008.361,6,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('7a18377d77c6277e','released',7,'Released','given back','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 1}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": false, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal10\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 16, \"zone\": null}"]',1796009008.370,1796009008.370,8,1796095408.370,1796009008.383,9,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('b453df9527b23a42','owner gone',10,'Released','its owner job-9 is gone','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": "job-9", "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 1}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": false, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal10\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 16, \"zone\": null}"]',1796009008.392,1796009008.392,11,1796095408.392,1796009008.407,12,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('72fb97a6f0ea2321','expired',13,'Released','its lifetime of 86400 s was over at 2023-11-14T22:13:20Z','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 1}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": false, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal10\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 16, \"zone\": null}"]',1796009008.42499,1796009008.42499,14,1700000000.0,1796009008.441,15,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('fe04a47dfc0b56e0','lapsed',16,'Failed','its place in the queue lapsed at 2023-11-14T22:13:20Z, without a sign of life','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 12}',NULL,1796009008.450,NULL,NULL,NULL,1796009008.464,17,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('e6744769bae8e2be','filler',18,'Released','given back','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": ["dal11"], "storage": 0, "tolerations": [], "vcpus": 4}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": true, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal11\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 4, \"zone\": null}"]',1796009008.472,1796009008.472,19,1796095408.472,1796009008.491,21,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('116837cc6ace5914','unclaimed',20,'Released','nobody came for it when it was its turn','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": ["dal11"], "storage": 0, "tolerations": [], "vcpus": 4}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": true, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal11\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 4, \"zone\": null}"]',1796009008.483,1796009008.491,22,1796095408.491,1796009008.504,23,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('e0c6d24ce8e625a4','filler',24,'Released','given back','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": ["dal11"], "storage": 0, "tolerations": [], "vcpus": 2}','["{\"cluster\": null, \"cordoned\": false, \"cpu_overcommit\": 1.0, \"datacenter\": null, \"datastore\": null, \"exclude\": true, \"folder\": null, \"labels\": {}, \"memory\": 68719476736, \"name\": \"dal11\", \"networks\": [], \"platform\": \"proxmox\", \"port\": null, \"region\": null, \"resource_pool\": null, \"server\": \"pve1\", \"storage\": 0, \"taints\": [], \"template\": null, \"username\": null, \"vcpus\": 4, \"zone\": null}"]',1796009008.510,1796009008.510,25,1796095408.510,1796009008.549,28,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('78cda0d43ffeb2f3','impossible',26,'Failed','lease: no pool is large enough for 4 vCPUs: 0 of 1 pools fit: 1 vcpus. What fits when nothing is leased: pool dal11 2 vCPUs, 64G memory, 0 storage','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": null, "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": ["dal11"], "storage": 0, "tolerations": [], "vcpus": 4}',NULL,1796009008.521,NULL,NULL,NULL,1796009008.537,27,NULL,NULL,NULL);
INSERT INTO capacity_lease VALUES('ef2f11368a3c2ebb','waiting',29,'Pending','','{"group": null, "lifetime": 86400.0, "max_servers": null, "memory": 0, "min_servers": 1, "network_type": "single-tenant", "networks": 0, "owner": "job-2", "pool_selector": {}, "pools": 1, "priority": 0, "purpose": null, "required_pools": [], "storage": 0, "tolerations": [], "vcpus": 12}',NULL,1796009008.557,NULL,NULL,NULL,NULL,NULL,2107049128.557,'{"host": "controller-1", "pid": 2, "born": "4711", "place": "7d3f boot pid:[1]", "token": "b"}',NULL);
CREATE TABLE capacity_network_use (
    lease TEXT NOT NULL,
    place TEXT NOT NULL,
    port_group TEXT NOT NULL,
    vlan BIGINT,
    kind TEXT NOT NULL,
    shared_by TEXT NOT NULL,
    PRIMARY KEY (lease, place, port_group)
);
CREATE TABLE capacity_pool (
    name TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL
);
INSERT INTO capacity_pool VALUES('dal10','{"cluster": null, "cordoned": false, "cpu_overcommit": 1.0, "datacenter": null, "datastore": null, "exclude": false, "folder": null, "labels": {}, "memory": 68719476736, "name": "dal10", "networks": [], "platform": "proxmox", "port": null, "region": null, "resource_pool": null, "server": "pve1", "storage": 0, "taints": [], "template": null, "username": null, "vcpus": 16, "zone": null}',1796009008.269,1796009008.269);
INSERT INTO capacity_pool VALUES('dal11','{"cluster": null, "cordoned": false, "cpu_overcommit": 1.0, "datacenter": null, "datastore": null, "exclude": true, "folder": null, "labels": {}, "memory": 68719476736, "name": "dal11", "networks": [], "platform": "proxmox", "port": null, "region": null, "resource_pool": null, "server": "pve1", "storage": 0, "taints": [], "template": null, "username": null, "vcpus": 2, "zone": null}',1796009008.291,1796009008.537);
CREATE TABLE capacity_turn (number BIGINT NOT NULL PRIMARY KEY);
INSERT INTO capacity_turn VALUES(29);
CREATE TABLE cluster_lock (
    cluster TEXT NOT NULL PRIMARY KEY,
    token TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    born TEXT NOT NULL,
    place TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    until DOUBLE PRECISION NOT NULL
);
INSERT INTO cluster_lock VALUES('proxmox:prod','lock-token','controller-1',9,'4711','7d3f boot pid:[1]',1796009008.573,2107049008.573);
CREATE TABLE evenkeel_schema (version INTEGER NOT NULL);
INSERT INTO evenkeel_schema VALUES(5);
CREATE TABLE migration_history (
    cluster TEXT NOT NULL,
    guest TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    result TEXT NOT NULL,
    why TEXT NOT NULL,
    started_at TEXT, recorded_at DOUBLE PRECISION,
    PRIMARY KEY (cluster, guest, ended_at, source, target)
);
INSERT INTO migration_history VALUES('proxmox:prod','101','2026-01-01T00:01:00Z','pve1','pve2','migrated','','2026-01-01T00:00:00Z',1796009008.575);
CREATE TABLE service_delivery (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    channel TEXT NOT NULL,
    receiver TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    tries BIGINT NOT NULL,
    error TEXT,
    ended_at DOUBLE PRECISION,
    desk TEXT
);
INSERT INTO service_delivery VALUES('msg_a20501e6dedec8d7d0a9d9fb1ef32632','r-2','callback','ci','{"type":"request.failed","request":{"id":"r-2","kind":"release","status":"failed","received_at":"2026-11-30T03:23:28Z","ended_at":"2026-11-30T03:23:28Z","tries":0,"result":null,"error":{"type":"LeaseNotHeld","message":"there is no lease of that name"}}}','pending',1796009008.653,1796009008.653,0,NULL,NULL,NULL);
CREATE TABLE service_request (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    terms TEXT NOT NULL,
    status TEXT NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    tries BIGINT NOT NULL,
    result TEXT,
    error TEXT,
    ended_at DOUBLE PRECISION,
    claim TEXT,
    desk TEXT,
    worker TEXT,
    begun_at DOUBLE PRECISION,
    until DOUBLE PRECISION
);
INSERT INTO service_request VALUES('r-1','{"kind":"lease","notify":["ci"],"work":{"lifetime":86400.0,"memory":0,"min_servers":1,"network_type":"single-tenant","networks":0,"pool_selector":{},"pools":1,"priority":0,"required_pools":[],"storage":0,"tolerations":[],"vcpus":2,"wait":0.0}}','{"origin":"http","receivers":["ci"],"budget":{"tries":5,"first_seconds":2.0,"most_seconds":300.0},"wait":0.0,"message":null}','processing',1796009008.637,1796009008.637,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO service_request VALUES('r-2','{"kind":"release","notify":["ci"],"work":{"name":"x"}}','{"origin":"http","receivers":["ci"],"budget":{"tries":5,"first_seconds":2.0,"most_seconds":300.0},"wait":0.0,"message":null}','failed',1796009008.645,1796009008.645,0,NULL,'{"type": "LeaseNotHeld", "message": "there is no lease of that name"}',1796009008.653,NULL,NULL,NULL,NULL,NULL);
CREATE UNIQUE INDEX capacity_lease_live ON capacity_lease (name) WHERE ended_at IS NULL;
CREATE INDEX capacity_lease_ended ON capacity_lease (ended_at);
CREATE INDEX service_request_going_on ON service_request (due_at) WHERE ended_at IS NULL;
CREATE INDEX service_request_ended ON service_request (ended_at);
CREATE INDEX service_delivery_going_on ON service_delivery (due_at) WHERE ended_at IS NULL;
CREATE INDEX service_delivery_request ON service_delivery (request);
CREATE INDEX capacity_lease_name ON capacity_lease (name);
