// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// smallHome is what the files of a VM that are no disk take, where the snapshot does not say it.
const smallHome = 1 << 20

// store is a datastore as it is now: space that copies take while they run, and that they may leave taken.
type store struct {
	ref              types.ManagedObjectReference
	id, name, volume string
	capacity, free   int64
	lowest           int64 // the least that was ever free
	tags             []string
	leftovers        map[string]int64 // files that no VM uses, by path below the datastore

	// As they were when the disks of the snapshot, which read and write so much, were on it.
	latency, iops, diskIO *float64
	firstIO               float64
}

// take is called when space is used up, or given back by a negative amount. The world's lock is held.
func (inv *inventory) take(ref types.ManagedObjectReference, bytes int64) {
	s := inv.stores[ref]
	if s == nil || bytes == 0 {
		return
	}
	s.free -= bytes
	s.lowest = min(s.lowest, s.free)
	if !inv.stale() {
		inv.showStore(s)
	}
}

// showStore is called when vCenter has looked how much is free.
func (inv *inventory) showStore(s *store) {
	inv.update(s.ref, change("summary.freeSpace", s.free))
}

// file is one of a VM's files, below its datastore.
type file struct {
	datastore types.ManagedObjectReference
	path      string
	kind      types.VirtualMachineFileLayoutExFileType
	size      int64
}

// directory is the folder of the VM's files: a name may have what a path may not.
func (g *guest) directory() string { return strings.ReplaceAll(g.Name, "/", "_") }

func keyOf(id string, index int) int32 {
	if key, err := strconv.ParseInt(id, 10, 32); err == nil {
		return int32(key)
	}
	return keyDisk + int32(index)
}

// putHome finds out where the VM's own files are: where the snapshot says, else with its first disk.
func (inv *inventory) putHome(dc *simulator.Datacenter, g *guest) {
	g.homeSize = smallHome
	for i := len(g.Disks) - 1; i >= 0; i-- {
		spec := g.Disks[i]
		if i > 0 && spec.ID != homeDisk {
			continue
		}
		g.home = inv.datastore(dc, g.host, spec.Datastore).Self
		if spec.ID == homeDisk {
			if spec.Used != nil {
				g.homeSize = *spec.Used
			}
			return
		}
	}
}

// imageBesideDisk is the datastore of an image in the CD drive, where a disk of the snapshot tells of it.
func (g *guest) imageBesideDisk() string {
	for _, spec := range g.Disks {
		if contains(spec.Blockers, "cdrom") {
			return spec.Datastore
		}
	}
	return ""
}

func (inv *inventory) storeName(ref types.ManagedObjectReference) string {
	if s := inv.stores[ref]; s != nil {
		return s.name
	}
	return "unknown"
}

func (inv *inventory) configFile(g *guest) string {
	return fmt.Sprintf("[%s] %s/%s.vmx", inv.storeName(g.home), g.directory(), g.directory())
}

// homeFiles are those that are no disk, with all their size in one of them, apart from the swap of a VM that runs.
func (g *guest) homeFiles() []file {
	if g.home.Value == "" {
		return nil
	}
	stem := g.directory() + "/" + g.directory()
	rest, swap := g.homeSize, int64(0)
	if memory := int64(g.Assigned.of("memory")) - g.reserved; g.running() && rest >= memory {
		rest, swap = rest-memory, memory
	}
	files := []file{
		{g.home, stem + ".vmx", types.VirtualMachineFileLayoutExFileTypeConfig, 0},
		{g.home, stem + ".nvram", types.VirtualMachineFileLayoutExFileTypeNvram, 0},
		{g.home, g.directory() + "/vmware.log", types.VirtualMachineFileLayoutExFileTypeLog, rest},
	}
	if swap > 0 {
		files = append(files, file{g.home, stem + ".vswp", types.VirtualMachineFileLayoutExFileTypeSwap, swap})
	}
	return files
}

// diskFiles are the descriptor and the data of each disk of the chain, what it stands on first.
func (g *guest) diskFiles(index int) [][]file {
	d := g.disks[index]
	unit := func(stem, data string, size int64) []file {
		return []file{
			{d.datastore, stem + ".vmdk", types.VirtualMachineFileLayoutExFileTypeDiskDescriptor, 0},
			{d.datastore, stem + data + ".vmdk", types.VirtualMachineFileLayoutExFileTypeDiskExtent, size},
		}
	}
	stem := fmt.Sprintf("%s/%s_%d", g.directory(), g.directory(), index)
	switch {
	case contains(d.blockers, "raw_device"):
		return [][]file{unit(stem, "-rdmp", 0)}
	case contains(d.blockers, "linked_clone"):
		return [][]file{unit("golden image/golden image", "-flat", 0), unit(stem, "-sesparse", d.used)}
	case contains(d.blockers, "snapshot_chain"):
		return [][]file{unit(stem, "-flat", d.used-d.used/2), unit(stem+"-000001", "-sesparse", d.used/2)}
	}
	return [][]file{unit(stem, "-flat", d.used)}
}

// layout shows the VM's files with what they take.
func (inv *inventory) layout(g *guest) *types.VirtualMachineFileLayoutEx {
	shown := &types.VirtualMachineFileLayoutEx{Timestamp: inv.clock()}
	put := func(f file) int32 {
		key := int32(len(shown.File))
		shown.File = append(shown.File, types.VirtualMachineFileLayoutExFileInfo{
			Key: key, Name: fmt.Sprintf("[%s] %s", inv.storeName(f.datastore), f.path), Type: string(f.kind),
			Size: f.size, UniqueSize: f.size, Accessible: pointer(true),
		})
		return key
	}
	for _, f := range g.homeFiles() {
		put(f)
	}
	for index, d := range g.disks {
		disk := types.VirtualMachineFileLayoutExDiskLayout{Key: d.key}
		for _, unit := range g.diskFiles(index) {
			var keys []int32
			for _, f := range unit {
				keys = append(keys, put(f))
			}
			disk.Chain = append(disk.Chain, types.VirtualMachineFileLayoutExDiskUnit{FileKey: keys})
		}
		shown.Disk = append(shown.Disk, disk)
	}
	return shown
}

// files are those of the VM, the image that a linked clone stands on aside.
func (g *guest) files() []file {
	all := g.homeFiles()
	for index := range g.disks {
		for _, unit := range g.diskFiles(index) {
			all = append(all, unit...)
		}
	}
	return slices.DeleteFunc(all, func(f file) bool { return strings.HasPrefix(f.path, "golden image/") })
}

// balances tells whether Storage DRS moves disks in a cluster of datastores.
func (c *cluster) balances(pod string) bool {
	for _, described := range c.described {
		if described.Cluster == pod && described.BalancedBy != "" {
			return true
		}
	}
	return false
}

// pod finds or makes a cluster of datastores.
func (inv *inventory) pod(dc *simulator.Datacenter, name string, balanced bool) *simulator.StoragePod {
	key := dc.Name + "/" + name
	if pod := inv.pods[key]; pod != nil {
		return pod
	}
	mode := inv.sdrs(name)
	if mode == "" {
		mode = "disabled"
		if balanced {
			mode = "automated"
		}
	}
	behavior := types.StorageDrsPodConfigInfoBehaviorManual
	if mode == "automated" {
		behavior = types.StorageDrsPodConfigInfoBehaviorAutomated
	}
	pod := &simulator.StoragePod{}
	pod.Self = reference("StoragePod", "group-p-"+key)
	pod.Name = name
	pod.ChildType = []string{"Datastore"}
	pod.Summary = &types.StoragePodSummary{Name: name}
	pod.PodStorageDrsEntry = &types.PodStorageDrsEntry{StorageDrsConfig: types.StorageDrsConfigInfo{
		PodConfig: types.StorageDrsPodConfigInfo{
			Enabled: mode != "disabled", IoLoadBalanceEnabled: true, DefaultVmBehavior: string(behavior),
			LoadBalanceInterval: 480, DefaultIntraVmAffinity: pointer(true),
		},
	}}
	inv.pods[key] = pod
	inv.putChild(dc.DatastoreFolder, pod)
	return pod
}

// putStorageRules puts each rule where Storage DRS has it: VMs apart in the cluster of datastores that the first of
// them is in, disks of one VM with the VM's own settings there.
func (inv *inventory) putStorageRules(w *world, s *snapshot) {
	for i, rule := range s.StorageRules {
		g := w.guests[rule.Guests[0]]
		var pod *simulator.StoragePod
		for _, ref := range g.datastoreRefs() {
			if parent := inv.registry.Get(ref).(*simulator.Datastore).Parent; pod == nil && parent != nil {
				pod, _ = inv.registry.Get(*parent).(*simulator.StoragePod)
			}
		}
		if pod == nil {
			continue
		}
		info := types.ClusterRuleInfo{
			Key: firstRuleKey + int32(i), Name: rule.Name, Enabled: pointer(true), UserCreated: pointer(true),
			RuleUuid: uuidOf("storage rule " + rule.Name), Status: types.ManagedEntityStatusGreen,
		}
		config := &pod.PodStorageDrsEntry.StorageDrsConfig
		own := types.StorageDrsVmConfigInfo{Vm: pointer(g.ref())}
		switch {
		case len(rule.Disks) > 0:
			apart := &types.VirtualDiskAntiAffinityRuleSpec{ClusterRuleInfo: info}
			for _, id := range rule.Disks {
				apart.DiskId = append(apart.DiskId, keyOf(id, 0))
			}
			own.IntraVmAffinity, own.IntraVmAntiAffinity = pointer(false), apart
			config.VmConfig = append(config.VmConfig, own)
		case rule.Kind == "affinity":
			own.IntraVmAffinity = pointer(true)
			config.VmConfig = append(config.VmConfig, own)
		default:
			config.PodConfig.Rule = append(config.PodConfig.Rule, &types.ClusterAntiAffinityRuleSpec{
				ClusterRuleInfo: info, Vm: references("VirtualMachine", rule.Guests),
			})
		}
	}
}

// transfers are the files that a relocation copies: what goes where, and how much.
type transfers []transfer

type transfer struct {
	disk     string // home, or the key of a disk
	from, to types.ManagedObjectReference
	bytes    int64
	frees    int64 // what the old files took
	copied   int64
	files    []file
}

func (g *guest) transfers(t target) transfers {
	var all transfers
	if g.home != t.home {
		all = append(all, transfer{disk: homeDisk, from: g.home, to: t.home, bytes: g.homeSize, frees: g.homeSize, files: g.homeFiles()})
	}
	for index, d := range g.disks {
		if to := t.disks[index]; d.datastore != to {
			moved := transfer{disk: strconv.Itoa(int(d.key)), from: d.datastore, to: to, bytes: d.copied(), frees: d.used}
			for _, unit := range g.diskFiles(index) {
				moved.files = append(moved.files, unit...)
			}
			all = append(all, moved)
		}
	}
	return all
}

// copied are the bytes of a copy. Of a linked clone all backings are moved and none is shared (diskMoveType
// moveAllDiskBackingsAndDisallowSharing, the default), the image that it stands on among them.
func (d disk) copied() int64 {
	if contains(d.blockers, "linked_clone") {
		return max(d.size, d.used)
	}
	return d.used
}

// arrive is called when a disk has been moved: a linked clone has all of its data now.
func (d *disk) arrive(ref types.ManagedObjectReference) {
	if d.datastore != ref {
		d.used = d.copied()
		d.blockers = slices.DeleteFunc(slices.Clone(d.blockers), func(b string) bool { return b == "linked_clone" })
	}
	d.datastore = ref
}

func (all transfers) wanted() map[types.ManagedObjectReference]int64 {
	wanted := map[types.ManagedObjectReference]int64{}
	for _, one := range all {
		wanted[one.to] += one.bytes
	}
	return wanted
}

// record notes the move, nil where nothing is copied. The world's lock is held.
func (all transfers) record(w *world, inv *inventory, g *guest) *diskMove {
	if len(all) == 0 {
		return nil
	}
	m := &diskMove{Guest: g.ID, Disks: map[string]string{}, State: "running"}
	for _, one := range all {
		m.Disks[one.disk] = inv.stores[one.to].id
	}
	w.diskMoves = append(w.diskMoves, m)
	return m
}

// copyTo takes the space of what has been copied when that many percent are done, if it is there.
func (inv *inventory) copyTo(all transfers, percent int) types.BaseMethodFault {
	for i := range all {
		one := &all[i]
		more := one.bytes*int64(percent)/100 - one.copied
		if s := inv.stores[one.to]; s.free < more {
			fault := &types.NoDiskSpace{Datastore: s.name}
			return explained(fault, "Insufficient disk space on datastore '%s'.", s.name)
		}
		one.copied += more
		inv.take(one.to, more)
	}
	return nil
}

// finish deletes what is not needed any more, the old files or the copies. What stays is left over.
func (inv *inventory) finish(all transfers, done, kept bool) {
	for _, one := range all {
		place, bytes := one.to, one.copied
		if done {
			place, bytes = one.from, one.frees
		}
		if !kept {
			inv.take(place, -bytes)
			continue
		}
		for _, f := range one.files {
			size := int64(0)
			if f.size > 0 {
				size = bytes
			}
			inv.stores[place].leftovers[f.path] = size
		}
	}
}

// reportStores tells what datastores are like, by id.
func (inv *inventory) reportStores() map[string]any {
	report := map[string]any{}
	for _, s := range inv.stores {
		report[s.id] = map[string]any{
			"capacity": s.capacity, "free": s.free, "lowest_free": s.lowest,
			"left_behind": append([]string{}, slices.Sorted(maps.Keys(s.leftovers))...),
		}
	}
	return report
}

// reportDisks tells where the disks of a guest are, by id.
func (inv *inventory) reportDisks(g *guest) map[string]string {
	report := map[string]string{}
	if s := inv.stores[g.home]; s != nil {
		report[homeDisk] = s.id
	}
	for _, d := range g.disks {
		report[strconv.Itoa(int(d.key))] = inv.stores[d.datastore].id
	}
	return report
}

// storeChange is what somebody else does to a datastore.
type storeChange struct {
	ID          string   `json:"id"`
	Free        *int64   `json:"free"`
	Maintenance *string  `json:"maintenance"`
	Latency     *float64 `json:"latency"`
	// Reported is the size that is reported from now on: 0 for one that no host reaches.
	Reported *int64 `json:"reported_capacity"`
	// RemotePath is the path of an NFS export: that of another datastore makes both one place.
	RemotePath *string `json:"remote_path"`
}

// changeStore is somebody else who fills a datastore, frees it, or puts it into maintenance mode.
func (inv *inventory) changeStore(given storeChange) error {
	for _, s := range inv.stores {
		if s.id != given.ID {
			continue
		}
		if given.Free != nil {
			inv.take(s.ref, s.free-*given.Free)
		}
		if given.Latency != nil {
			s.latency = given.Latency
		}
		if given.Reported != nil {
			inv.update(s.ref, change("summary.capacity", *given.Reported))
		}
		if given.RemotePath != nil {
			info, ok := inv.registry.Get(s.ref).(*simulator.Datastore).Info.(*types.NasDatastoreInfo)
			if !ok {
				return fmt.Errorf("remote_path: datastore %q is no NFS export", given.ID)
			}
			moved := *info
			moved.Nas.RemotePath = *given.RemotePath
			inv.update(s.ref, change("info", &moved))
		}
		if given.Maintenance != nil {
			if !contains([]string{"normal", "enteringMaintenance", "inMaintenance"}, *given.Maintenance) {
				return fmt.Errorf("maintenance: %q is not normal, enteringMaintenance or inMaintenance", *given.Maintenance)
			}
			inv.update(s.ref, change("summary.maintenanceMode", *given.Maintenance))
		}
		return nil
	}
	return fmt.Errorf("id: there is no datastore %q", given.ID)
}
