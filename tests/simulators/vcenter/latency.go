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
		return s.series(p.share(s), "", "datastore.throughput.contention.average", "datastore.throughput.contention.average")
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
			part := p.share(s)
			part.hosts = float64(sharers)
			all = append(all, s.series(part, s.volume, "datastore.totalReadLatency.average", "datastore.totalWriteLatency.average")...)
		}
		slices.SortFunc(all, func(a, b storeSeries) int { return slices.Compare([]byte(a.instance), []byte(b.instance)) })
		return all
	}
	return nil
}

// io is what the guest's disks read and write, by datastore.
func (g *guest) io() map[types.ManagedObjectReference]float64 {
	total := map[types.ManagedObjectReference]float64{}
	for _, d := range g.disks {
		if d.io != nil && g.running() {
			total[d.datastore] += *d.io
		}
	}
	return total
}

// share is how busy a datastore is, 1 as it was at the start; and between how many hosts that is divided.
type share struct{ busy, hosts float64 }

// share follows the disks: a datastore that they leave gets faster in the same proportion.
func (p *performance) share(s *store) share {
	other, now := 0.0, 0.0
	if s.diskIO != nil {
		other = max(0, *s.diskIO-s.firstIO)
	}
	if other+s.firstIO == 0 {
		return share{1, 1}
	}
	for _, g := range p.world.guests {
		now += g.io()[s.ref]
	}
	return share{(other + now) / (other + s.firstIO), 1}
}

// series are those of what is known.
func (s *store) series(part share, instance, read, write string) []storeSeries {
	var all []storeSeries
	put := func(counter string, value float64, peaks bool) {
		all = append(all, storeSeries{counter, instance, int64(math.Round(value * part.busy)), peaks})
	}
	if s.latency != nil {
		put(read, *s.latency, true)
		if write != read {
			put(write, *s.latency, true)
		}
	}
	if s.iops != nil {
		put("datastore.numberReadAveraged.average", *s.iops/2/part.hosts, false)
		put("datastore.numberWriteAveraged.average", *s.iops/2/part.hosts, false)
	}
	if s.diskIO != nil {
		put("datastore.read.average", *s.diskIO/1024/2/part.hosts, false)
		put("datastore.write.average", *s.diskIO/1024/2/part.hosts, false)
	}
	return all
}
