// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/vmware/govmomi/vim25/types"
)

// storeSeries are statistics of datastores: of one itself, which vCenter has no newest samples of, or of each
// as a host sees it, which it keeps for an hour at the usual level; and of the disks of a VM.
type storeSeries struct {
	counter, instance string
	level             int64
	peaks             bool // low but for a fifth of the samples, so that a mean is not taken for a percentile
}

func (s storeSeries) values(count int) []int64 {
	values := make([]int64, count)
	for i := range values {
		values[i] = s.level
		if s.peaks && i%5 != 4 {
			values[i] = s.level / 4
		}
	}
	return values
}

func (p *performance) storeSeries(entity types.ManagedObjectReference, interval int32) []storeSeries {
	p.world.Lock()
	defer p.world.Unlock()
	switch entity.Type {
	case "Datastore":
		s := p.inventory.stores[entity]
		if s == nil || interval == realtime || p.switches.withoutStatistics(s.id) {
			return nil
		}
		return s.series("", "datastore.throughput.contention.average", "datastore.throughput.contention.average", 1)
	case "VirtualMachine":
		g := p.world.guests[entity.Value]
		if g == nil || !g.running() || !g.host.connected() || interval != realtime {
			return nil
		}
		var all []storeSeries
		for index, d := range g.disks {
			if d.io != nil {
				half, instance := int64(math.Round(*d.io/1024/2)), fmt.Sprintf("scsi0:%d", index)
				all = append(all, storeSeries{"virtualDisk.read.average", instance, half, false},
					storeSeries{"virtualDisk.write.average", instance, half, false})
			}
		}
		return all
	case "HostSystem":
		h := p.world.hosts[entity.Value]
		if h == nil || !h.connected() || interval != realtime {
			return nil
		}
		var all []storeSeries
		for ref := range h.datastores {
			s := p.inventory.stores[ref]
			sharers := 0
			for _, other := range h.cluster.hosts {
				if other.datastores[ref] && other.connected() {
					sharers++
				}
			}
			all = append(all, s.series(s.volume, "datastore.totalReadLatency.average", "datastore.totalWriteLatency.average", sharers)...)
		}
		slices.SortFunc(all, func(a, b storeSeries) int { return slices.Compare([]byte(a.instance), []byte(b.instance)) })
		return all
	}
	return nil
}

// series are those of what is known; each of so many hosts has the same part of it.
func (s *store) series(instance, read, write string, hosts int) []storeSeries {
	var all []storeSeries
	put := func(counter string, value float64, peaks bool) {
		all = append(all, storeSeries{counter, instance, int64(math.Round(value)), peaks})
	}
	if s.latency != nil {
		put(read, *s.latency, true)
		if write != read {
			put(write, *s.latency, true)
		}
	}
	if s.iops != nil {
		put("datastore.numberReadAveraged.average", *s.iops/2/float64(hosts), false)
		put("datastore.numberWriteAveraged.average", *s.iops/2/float64(hosts), false)
	}
	if s.diskIO != nil {
		put("datastore.read.average", *s.diskIO/1024/2/float64(hosts), false)
		put("datastore.write.average", *s.diskIO/1024/2/float64(hosts), false)
	}
	return all
}
