// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// unknownCapacity is shown for a datastore whose size the snapshot leaves open: vSphere always knows it.
const unknownCapacity = 64 << 40

// datastore finds or makes the datastore of that name as this host sees it. A shared one is the same for
// all hosts of the datacenter, a local one belongs to its host even when another host uses the same name.
func (inv *inventory) datastore(dc *simulator.Datacenter, h *host, name string) *simulator.Datastore {
	spec, mounted := h.Datastores[name]
	key := dc.Name + "/" + name
	if mounted && !spec.Shared {
		key += "/" + h.ID
	}
	if ds := inv.datastores[key]; ds != nil {
		return ds
	}
	capacity := int64(unknownCapacity)
	if spec.Capacity != nil {
		capacity = *spec.Capacity
	}
	free := capacity
	if spec.Free != nil {
		free = *spec.Free
	}
	id := name
	if mounted && !spec.Shared {
		id += "@" + h.ID
	}
	described := h.cluster.described[id]
	kind, uncommitted := "VMFS", int64(0)
	if described.Type != "" {
		kind = described.Type
	}
	if described.Provisioned != nil {
		uncommitted = max(0, *described.Provisioned-(capacity-free))
	}
	mode := maintenanceOf(described.ClosedBecause)
	if described.ClosedBecause == "" {
		mode = maintenanceOf(spec.ClosedBecause)
	}
	if described.Maintenance && mode == string(types.DatastoreSummaryMaintenanceModeStateNormal) {
		mode = string(types.DatastoreSummaryMaintenanceModeStateInMaintenance)
	}
	ds := &simulator.Datastore{}
	ds.Self = reference("Datastore", "datastore-"+key)
	ds.Name = name
	ds.Browser = reference("HostDatastoreBrowser", "datastoreBrowser-"+key)
	ds.Capability = types.DatastoreCapability{DirectoryHierarchySupported: true, PerFileThinProvisioningSupported: true}
	ds.Summary = types.DatastoreSummary{
		Datastore: &ds.Self, Name: name, Url: "ds:///vmfs/volumes/" + uuidOf(key) + "/", Type: kind,
		Capacity: capacity, FreeSpace: free, Uncommitted: uncommitted, Accessible: true,
		MultipleHostAccess: pointer(spec.Shared || !mounted), MaintenanceMode: mode,
	}
	ds.Info = &types.VmfsDatastoreInfo{
		DatastoreInfo:          types.DatastoreInfo{Name: name, Url: ds.Summary.Url, FreeSpace: free},
		MaxPhysicalRDMFileSize: capacity,
	}
	if strings.HasPrefix(kind, "NFS") {
		ds.Info = &types.NasDatastoreInfo{
			DatastoreInfo: ds.Info.(*types.VmfsDatastoreInfo).DatastoreInfo,
			Nas: &types.HostNasVolume{
				HostFileSystemVolume: types.HostFileSystemVolume{Type: kind, Name: name, Capacity: capacity},
				RemoteHost:           "filer.example", RemotePath: "/export/" + name,
			},
		}
	}
	inv.datastores[key] = ds
	inv.stores[ds.Self] = &store{
		ref: ds.Self, id: id, name: name, volume: uuidOf(key), capacity: capacity, free: free, lowest: free,
		tags: described.Tags, latency: described.Latency, iops: described.IOPS, diskIO: described.DiskIO,
		leftovers: map[string]int64{},
	}
	if described.Cluster != "" {
		pod := inv.pod(dc, described.Cluster, h.cluster.balances(described.Cluster))
		inv.registry.PutEntity(pod, ds)
		pod.ChildEntity = append(pod.ChildEntity, ds.Self)
	} else {
		inv.putChild(dc.DatastoreFolder, ds)
	}
	dc.Datastore = append(dc.Datastore, ds.Self)
	return ds
}

func (inv *inventory) network(dc *simulator.Datacenter, name string) *mo.Network {
	key := dc.Name + "/" + name
	if network := inv.networks[key]; network != nil {
		return network
	}
	network := &mo.Network{Name: name}
	network.Self = reference("Network", "network-"+key)
	network.ManagedEntity.Name = name
	network.Summary = &types.NetworkSummary{Network: &network.Self, Name: name, Accessible: true}
	inv.networks[key] = network
	inv.putChild(dc.NetworkFolder, network)
	dc.Network = append(dc.Network, network.Self)
	return network
}

// mount connects the host, and with it its cluster, to its datastores and networks.
func (inv *inventory) mount(dc *simulator.Datacenter, owner *simulator.ClusterComputeResource, h *host, object *simulator.HostSystem) {
	names := make([]string, 0, len(h.Datastores))
	for name := range h.Datastores {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		ds := inv.datastore(dc, h, name)
		h.mounts[ds.Self] = mountOf(h.Datastores[name].ClosedBecause)
		ds.Host = append(ds.Host, types.DatastoreHostMount{Key: h.ref(), MountInfo: mountInfo(ds.Summary.Url, h.mounts[ds.Self])})
		h.datastores[ds.Self] = true
		object.Datastore = append(object.Datastore, ds.Self)
		if !slices.Contains(owner.Datastore, ds.Self) {
			owner.Datastore = append(owner.Datastore, ds.Self)
		}
	}
	for _, name := range h.snapshotHost.Networks {
		network := inv.network(dc, name)
		network.Host = append(network.Host, h.ref())
		h.networks[network.Self] = true
		object.Network = append(object.Network, network.Self)
		if !slices.Contains(owner.Network, network.Self) {
			owner.Network = append(owner.Network, network.Self)
		}
	}
}

// networkSpeed is the link speed in megabits a second that carries this many bytes a second.
func networkSpeed(bytesPerSecond float64) int32 {
	return int32(math.Round(bytesPerSecond * 8 / 1e6))
}
