// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

// firstRuleKey leaves the low keys to rules that a client adds later.
const firstRuleKey = 1001

// clusterConfig holds the snapshot's rules and overrides; even_spread has no like in vSphere and is left out.
func clusterConfig(s *snapshot) *types.ClusterConfigInfoEx {
	config := &types.ClusterConfigInfoEx{
		DasConfig: types.ClusterDasConfigInfo{Enabled: pointer(true)},
		DrsConfig: types.ClusterDrsConfigInfo{VmotionRate: 3},
	}
	config.VmSwapPlacement = string(types.VirtualMachineConfigInfoSwapPlacementTypeVmDirectory)
	setDRS(config, "manual")
	for i, r := range s.Rules {
		if r.Source == faultTolerance {
			continue // the pair is one without a rule
		}
		info := types.ClusterRuleInfo{
			Key: firstRuleKey + int32(i), Name: r.Name, Enabled: pointer(true), Mandatory: pointer(r.Strict),
			UserCreated: pointer(true), RuleUuid: uuidOf("rule " + r.Name), Status: types.ManagedEntityStatusGreen,
		}
		switch r.Kind {
		case "anti_affinity":
			config.Rule = append(config.Rule, &types.ClusterAntiAffinityRuleSpec{
				ClusterRuleInfo: info, Vm: references("VirtualMachine", r.Guests),
			})
		case "affinity":
			// As the client makes it: were it mandatory, no partner could ever be migrated before the other.
			info.Mandatory = pointer(false)
			config.Rule = append(config.Rule, &types.ClusterAffinityRuleSpec{
				ClusterRuleInfo: info, Vm: references("VirtualMachine", r.Guests),
			})
		case "host_affinity", "host_anti_affinity":
			vms, hosts := r.Name+" VMs", r.Name+" hosts"
			config.Group = append(config.Group,
				&types.ClusterVmGroup{ClusterGroupInfo: group(vms), Vm: references("VirtualMachine", r.Guests)},
				&types.ClusterHostGroup{ClusterGroupInfo: group(hosts), Host: references("HostSystem", r.Hosts)})
			rule := &types.ClusterVmHostRuleInfo{ClusterRuleInfo: info, VmGroupName: vms}
			if r.Kind == "host_affinity" {
				rule.AffineHostGroupName = hosts
			} else {
				rule.AntiAffineHostGroupName = hosts
			}
			config.Rule = append(config.Rule, rule)
		}
	}
	for _, g := range s.Guests {
		for _, blocker := range g.Blockers {
			if blocker == "balancing_disabled" {
				config.DrsVmConfig = append(config.DrsVmConfig, types.ClusterDrsVmConfigInfo{
					Key: reference("VirtualMachine", g.ID), Enabled: pointer(false),
				})
			}
		}
	}
	return config
}

func group(name string) types.ClusterGroupInfo {
	return types.ClusterGroupInfo{Name: name, UserCreated: pointer(true), UniqueID: uuidOf("group " + name)}
}

func references(kind string, ids []string) []types.ManagedObjectReference {
	refs := make([]types.ManagedObjectReference, len(ids))
	for i, id := range ids {
		refs[i] = reference(kind, id)
	}
	return refs
}

// setDRS takes the automation level, or "disabled".
func setDRS(config *types.ClusterConfigInfoEx, mode string) {
	config.DrsConfig.Enabled = pointer(mode != "disabled")
	config.DrsConfig.DefaultVmBehavior = types.DrsBehaviorManual
	if mode != "disabled" {
		config.DrsConfig.DefaultVmBehavior = types.DrsBehavior(mode)
	}
}

func checkDRS(mode string) error {
	switch mode {
	case "manual", "partiallyAutomated", "fullyAutomated", "disabled":
		return nil
	}
	return fmt.Errorf("drs is %q, expected manual, partiallyAutomated, fullyAutomated or disabled", mode)
}
