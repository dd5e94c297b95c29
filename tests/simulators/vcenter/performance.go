// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// realtime is the interval in seconds at which vSphere samples, and the one that is used when none is given.
const realtime = 20

// performance answers with series around the loads of the world: their average is the load.
type performance struct {
	service
	*state
}

func (p *performance) manager() *simulator.PerformanceManager {
	return p.inventory.registry.Get(reference("PerformanceManager", "PerfMgr")).(*simulator.PerformanceManager)
}

// counterName is the usual way to write a counter, such as cpu.usagemhz.average.
func counterName(c types.PerfCounterInfo) string {
	return fmt.Sprintf("%s.%s.%s", c.GroupInfo.GetElementDescription().Key, c.NameInfo.GetElementDescription().Key, c.RollupType)
}

// measured are the present values by counter; what is not known is not there.
func (p *performance) measured(entity types.ManagedObjectReference, interval int32) map[string]int64 {
	p.world.Lock()
	defer p.world.Unlock()
	switch entity.Type {
	case "HostSystem":
		h := p.world.hosts[entity.Value]
		if h == nil || !h.connected() {
			return nil
		}
		return counters(h.load, h.Used, h.Capacity, h.Pressure, interval)
	case "VirtualMachine":
		g := p.world.guests[entity.Value]
		if g == nil || !g.running() || !g.host.connected() || g.fresh {
			return nil
		}
		return counters(g.load, g.Used, g.Assigned, g.Pressure, interval)
	}
	return nil
}

func counters(load func(string) float64, known, size, pressure amounts, interval int32) map[string]int64 {
	values := map[string]int64{}
	if known["cpu"] != nil {
		values["cpu.usagemhz.average"] = int64(megahertz(load("cpu")))
		values["cpu.usage.average"] = hundredths(load("cpu"), float64(wholeCores(size.of("cpu"))))
	}
	if known["memory"] != nil {
		values["mem.consumed.average"] = kibibytes(load("memory"))
		values["mem.active.average"] = kibibytes(load("memory")) / 4
		values["mem.usage.average"] = hundredths(load("memory"), size.of("memory"))
	}
	if known["network_io"] != nil {
		values["net.usage.average"] = kibibytes(load("network_io"))
	}
	if known["disk_io"] != nil {
		values["disk.usage.average"] = kibibytes(load("disk_io"))
	}
	if stalled := pressure["cpu"]; stalled != nil {
		values["cpu.ready.summation"] = int64(math.Round(*stalled / 100 * float64(interval) * 1000))
		values["cpu.readiness.average"] = int64(math.Round(*stalled * 100))
	}
	return values
}

// hundredths of a percent are the unit of vSphere's usage counters.
func hundredths(part, whole float64) int64 {
	if whole <= 0 {
		return 0
	}
	return int64(math.Round(part / whole * 10000))
}

func (p *performance) QueryAvailablePerfMetric(ctx *simulator.Context, req *types.QueryAvailablePerfMetric) soap.HasFault {
	if req.Entity.Type != "HostSystem" && req.Entity.Type != "VirtualMachine" {
		return p.manager().QueryAvailablePerfMetric(ctx, req)
	}
	res := &types.QueryAvailablePerfMetricResponse{}
	values := p.measured(req.Entity, realtime)
	for _, c := range p.manager().PerfCounter {
		if _, ok := values[counterName(c)]; ok {
			res.Returnval = append(res.Returnval, types.PerfMetricId{CounterId: c.Key})
		}
	}
	return &methods.QueryAvailablePerfMetricBody{Res: res}
}

func (p *performance) QueryPerf(req *types.QueryPerf) soap.HasFault {
	names := map[int32]string{}
	for _, c := range p.manager().PerfCounter {
		names[c.Key] = counterName(c)
	}
	res := &types.QueryPerfResponse{}
	for i, spec := range req.QuerySpec {
		if p.switches.withoutStatistics(spec.Entity.Value) {
			fault := &types.InvalidArgument{InvalidProperty: "querySpec.interval"}
			return &methods.QueryPerfBody{Fault_: simulator.Fault("A specified parameter was not correct: querySpec.interval", fault)}
		}
		if p.inventory.registry.Get(spec.Entity) == nil {
			fault := &types.InvalidArgument{InvalidProperty: fmt.Sprintf("querySpec[%d].entity", i)}
			return &methods.QueryPerfBody{Fault_: simulator.Fault("A specified parameter was not correct: querySpec", fault)}
		}
		res.Returnval = append(res.Returnval, p.series(spec, names))
	}
	return &methods.QueryPerfBody{Res: res}
}

func (p *performance) series(spec types.PerfQuerySpec, names map[int32]string) types.BasePerfEntityMetricBase {
	interval := spec.IntervalId
	if interval <= 0 {
		interval = realtime
	}
	values := p.measured(spec.Entity, interval)
	metric := &types.PerfEntityMetric{PerfEntityMetricBase: types.PerfEntityMetricBase{Entity: spec.Entity}}
	stored := p.storeSeries(spec.Entity, interval)
	if len(values)+len(stored) > 0 {
		metric.SampleInfo = samples(spec, interval, p.inventory.clock())
	}
	wanted := spec.MetricId
	if len(wanted) == 0 {
		for key, name := range names {
			if _, ok := values[name]; ok {
				wanted = append(wanted, types.PerfMetricId{CounterId: key})
			}
		}
		slices.SortFunc(wanted, func(a, b types.PerfMetricId) int { return int(a.CounterId - b.CounterId) })
	}
	for _, id := range wanted {
		for _, s := range stored {
			if s.counter == names[id.CounterId] && (id.Instance == s.instance || id.Instance == "*" && s.instance != "") {
				metric.Value = append(metric.Value, &types.PerfMetricIntSeries{
					PerfMetricSeries: types.PerfMetricSeries{Id: types.PerfMetricId{CounterId: id.CounterId, Instance: s.instance}},
					Value:            s.values(len(metric.SampleInfo)),
				})
			}
		}
		mean, ok := values[names[id.CounterId]]
		if !ok || id.Instance != "" && id.Instance != "*" {
			continue
		}
		metric.Value = append(metric.Value, &types.PerfMetricIntSeries{
			PerfMetricSeries: types.PerfMetricSeries{Id: types.PerfMetricId{CounterId: id.CounterId}},
			Value:            around(mean, len(metric.SampleInfo), spec.Entity.Value+names[id.CounterId]),
		})
	}
	if spec.Format == string(types.PerfFormatCsv) {
		return inCSV(metric)
	}
	return metric
}

// samples are the moments, oldest first, of the hour before the end or of the time asked for.
func samples(spec types.PerfQuerySpec, interval int32, now time.Time) []types.PerfSampleInfo {
	end := now.Truncate(time.Second)
	if spec.EndTime != nil && spec.EndTime.Before(end) {
		end = *spec.EndTime
	}
	count := 3600 / interval
	if spec.StartTime != nil {
		count = int32(min(86400, max(0, end.Sub(*spec.StartTime).Seconds()))) / interval
	}
	if spec.MaxSample > 0 {
		count = min(count, spec.MaxSample)
	}
	result := make([]types.PerfSampleInfo, count)
	for i := range result {
		age := time.Duration(int32(len(result)-1-i)*interval) * time.Second
		result[i] = types.PerfSampleInfo{Timestamp: end.Add(-age), Interval: interval}
	}
	return result
}

// around gives the same values each time, up to a fifth above and below the mean; they average to it.
func around(mean int64, count int, name string) []int64 {
	values := make([]int64, count)
	for i := range values {
		values[i] = mean
	}
	hash := fnv.New64a()
	for i := 0; i+1 < count; i += 2 {
		fmt.Fprint(hash, name, i)
		if fifth := mean / 5; fifth > 0 {
			swing := int64(hash.Sum64() % uint64(fifth+1))
			values[i], values[i+1] = mean+swing, mean-swing
		}
	}
	return values
}

func inCSV(metric *types.PerfEntityMetric) *types.PerfEntityMetricCSV {
	result := &types.PerfEntityMetricCSV{PerfEntityMetricBase: metric.PerfEntityMetricBase}
	var moments []string
	for _, s := range metric.SampleInfo {
		moments = append(moments, strconv.Itoa(int(s.Interval)), s.Timestamp.UTC().Format(time.RFC3339))
	}
	result.SampleInfoCSV = strings.Join(moments, ",")
	for _, v := range metric.Value {
		series := v.(*types.PerfMetricIntSeries)
		var values []string
		for _, value := range series.Value {
			values = append(values, strconv.FormatInt(value, 10))
		}
		result.Value = append(result.Value, types.PerfMetricSeriesCSV{
			PerfMetricSeries: series.PerfMetricSeries, Value: strings.Join(values, ","),
		})
	}
	return result
}
