// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// brokenRules are the mandatory rules of the target's cluster, as they are configured now, that the move
// would break or make worse.
func (inv *inventory) brokenRules(g *guest, h *host) []types.BaseMethodFault {
	var faults []types.BaseMethodFault
	inv.edit(h.cluster.ref(), func(object mo.Reference) {
		config := object.(*simulator.ClusterComputeResource).ConfigurationEx.(*types.ClusterConfigInfoEx)
		for _, rule := range config.Rule {
			info := rule.GetClusterRuleInfo()
			if !isTrue(info.Enabled) || !isTrue(info.Mandatory) {
				continue
			}
			switch rule := rule.(type) {
			case *types.ClusterAntiAffinityRuleSpec:
				there, here := siblings(rule.Vm, g, h)
				if there > 0 && there >= here {
					faults = append(faults, ruleViolation(rule, g, h))
				}
			case *types.ClusterAffinityRuleSpec:
				there, here := siblings(rule.Vm, g, h)
				if there < here {
					faults = append(faults, ruleViolation(rule, g, h))
				}
			case *types.ClusterVmHostRuleInfo:
				if forbids(config, rule, g, h) {
					fault := &types.VmHostAffinityRuleViolation{VmName: g.Name, HostName: h.Name}
					faults = append(faults, explained(fault, "Rule %s does not let %s run on %s", info.Name, g.Name, h.Name))
				}
			}
		}
	})
	return faults
}

func ruleViolation(rule types.BaseClusterRuleInfo, g *guest, h *host) types.BaseMethodFault {
	fault := &types.RuleViolation{Host: pointer(h.ref()), Rule: rule}
	return explained(fault, "Rule %s does not let %s run on %s", rule.GetClusterRuleInfo().Name, g.Name, h.Name)
}

// siblings counts the other guests of a rule on the target, those on their way included, and beside the guest.
// Of a rule that does not hold the guest there are none.
func siblings(vms []types.ManagedObjectReference, g *guest, h *host) (there, here int) {
	if !slices.Contains(vms, g.ref()) {
		return 0, 0
	}
	for _, ref := range vms {
		if ref.Value == g.ID {
			continue
		}
		_, arriving := h.incoming[ref.Value]
		if arriving || h.guests[ref.Value] != nil {
			there++
		}
		if g.host.guests[ref.Value] != nil {
			here++
		}
	}
	return there, here
}

func forbids(config *types.ClusterConfigInfoEx, rule *types.ClusterVmHostRuleInfo, g *guest, h *host) bool {
	member, affine, banned := false, true, false
	for _, group := range config.Group {
		switch group := group.(type) {
		case *types.ClusterVmGroup:
			if group.Name == rule.VmGroupName {
				member = slices.Contains(group.Vm, g.ref())
			}
		case *types.ClusterHostGroup:
			if group.Name == rule.AffineHostGroupName {
				affine = slices.Contains(group.Host, h.ref())
			}
			if group.Name == rule.AntiAffineHostGroupName {
				banned = slices.Contains(group.Host, h.ref())
			}
		}
	}
	return member && (!affine || banned)
}

func isTrue(value *bool) bool { return value != nil && *value }
