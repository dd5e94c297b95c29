// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/pbm/methods"
	pbmtypes "github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// viewPolicies is what every call of the service of storage policies needs. The role Read-only lacks it.
const viewPolicies = "StorageProfile.View"

// storagePolicy is a policy as the snapshot, or a switch, has it: by name, with the datastores that comply.
type storagePolicy struct {
	Guest      string   `json:"guest"`
	Disk       string   `json:"disk"`
	Policy     string   `json:"policy"`
	Datastores []string `json:"datastores"` // ids; null for all
	Fault      string   `json:"fault"`      // by name, in place of the policy of the disk
}

func (p storagePolicy) complies(datastore string) bool {
	return p.Datastores == nil || slices.Contains(p.Datastores, datastore)
}

// idOf makes an identifier as the service hands them out.
func idOf(policy string) string {
	h := sha256.Sum256([]byte(policy))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// policyServer is the service of storage policies, with its own path and the session of vCenter.
type policyServer struct {
	*state
	Self types.ManagedObjectReference
}

func (p *policyServer) Reference() types.ManagedObjectReference { return p.Self }

func newPolicyRegistry(s *state) *simulator.Registry {
	r := simulator.NewRegistry()
	r.Namespace, r.Path, r.Cookie = pbm.Namespace, pbm.Path, simulator.SOAPCookie
	r.Put(&policyServer{s, pbm.ServiceInstance})
	r.Put(&policyServer{s, types.ManagedObjectReference{Type: "PbmProfileProfileManager", Value: "ProfileManager"}})
	r.Put(&policyServer{s, types.ManagedObjectReference{Type: "PbmPlacementSolver", Value: "placementSolver"}})
	r.Handler = func(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		if f := s.switches.failureOfSOAP(method.Name, method.This.Value); f != nil {
			return nil, f.fault(method.This)
		}
		if ctx.Session != nil && method.Name != "PbmRetrieveServiceContent" &&
			s.switches.forbidden(ctx.Session.UserName, "storage-policies") {
			return nil, &types.NoPermission{Object: pointer(method.This), PrivilegeId: viewPolicies}
		}
		return nil, nil
	}
	return r
}

func (p *policyServer) PbmRetrieveServiceContent(_ *pbmtypes.PbmRetrieveServiceContent) soap.HasFault {
	manager := func(kind, value string) types.ManagedObjectReference {
		return types.ManagedObjectReference{Type: kind, Value: value}
	}
	return &methods.PbmRetrieveServiceContentBody{Res: &pbmtypes.PbmRetrieveServiceContentResponse{
		Returnval: pbmtypes.PbmServiceInstanceContent{
			AboutInfo:                 pbmtypes.PbmAboutInfo{Name: "PBM", Version: "2.0", InstanceUuid: idOf("about")},
			SessionManager:            manager("PbmSessionManager", "SessionManager"),
			CapabilityMetadataManager: manager("PbmCapabilityMetadataManager", "CapabilityMetadataManager"),
			ProfileManager:            manager("PbmProfileProfileManager", "ProfileManager"),
			ComplianceManager:         manager("PbmComplianceManager", "complianceManager"),
			PlacementSolver:           manager("PbmPlacementSolver", "placementSolver"),
		},
	}}
}

// PbmQueryAssociatedProfiles answers for each object with an empty list where it has no policy, and with a
// fault where there is no such object.
func (p *policyServer) PbmQueryAssociatedProfiles(r *pbmtypes.PbmQueryAssociatedProfiles) soap.HasFault {
	p.world.Lock()
	defer p.world.Unlock()
	results := []pbmtypes.PbmQueryProfileResult{}
	for _, entity := range r.Entities {
		result := pbmtypes.PbmQueryProfileResult{Object: entity}
		guest, disk, known := p.subject(entity)
		if !known {
			fault := new(pbmtypes.PbmFault)
			result.Fault = &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: "The object was not found."}
		} else if policy := p.policyOf(guest, disk); policy != nil && policy.Fault != "" {
			result.Fault = localized(knownFault(policy.Fault, p.Self))
		} else if policy != nil {
			result.ProfileId = []pbmtypes.PbmProfileId{{UniqueId: idOf(policy.Policy)}}
		}
		results = append(results, result)
	}
	return &methods.PbmQueryAssociatedProfilesBody{
		Res: &pbmtypes.PbmQueryAssociatedProfilesResponse{Returnval: results},
	}
}

// subject is the guest and the id of its disk that an object of the service stands for.
func (p *policyServer) subject(entity pbmtypes.PbmServerObjectRef) (*guest, string, bool) {
	id, key, _ := strings.Cut(entity.Key, ":")
	g := p.world.guests[id]
	if g == nil {
		return nil, "", false
	}
	switch entity.ObjectType {
	case string(pbmtypes.PbmObjectTypeVirtualMachine):
		return g, homeDisk, true
	case string(pbmtypes.PbmObjectTypeVirtualDiskId):
		for _, d := range g.disks {
			if strconv.Itoa(int(d.key)) == key {
				return g, key, true
			}
		}
	}
	return nil, "", false
}

// policyOf is what a switch says, or else the snapshot.
func (p *policyServer) policyOf(g *guest, disk string) *storagePolicy {
	for _, given := range p.switches.now().StoragePolicies {
		if given.Guest == g.ID && given.Disk == disk {
			if given.Policy == "" && given.Fault == "" {
				return nil
			}
			return &given
		}
	}
	index := 0
	for _, spec := range g.Disks {
		id := homeDisk
		if spec.ID != homeDisk {
			id = strconv.Itoa(int(keyOf(spec.ID, index)))
			index++
		}
		if id == disk && spec.StoragePolicy != "" {
			return &storagePolicy{Guest: g.ID, Disk: disk, Policy: spec.StoragePolicy, Datastores: spec.Targets}
		}
	}
	return nil
}

// policies are all that any disk has, by identifier.
func (p *policyServer) policies() map[string]storagePolicy {
	found := map[string]storagePolicy{}
	for _, g := range p.world.guests {
		disks := []string{homeDisk}
		for _, d := range g.disks {
			disks = append(disks, strconv.Itoa(int(d.key)))
		}
		for _, disk := range disks {
			if policy := p.policyOf(g, disk); policy != nil && policy.Fault == "" {
				found[idOf(policy.Policy)] = *policy
			}
		}
	}
	return found
}

func (p *policyServer) PbmRetrieveContent(r *pbmtypes.PbmRetrieveContent) soap.HasFault {
	p.world.Lock()
	defer p.world.Unlock()
	known, results := p.policies(), []pbmtypes.BasePbmProfile{}
	for _, id := range r.ProfileIds {
		policy, ok := known[id.UniqueId]
		if !ok {
			fault := &types.InvalidArgument{InvalidProperty: "profileIds"}
			return &methods.PbmRetrieveContentBody{Fault_: simulator.Fault("", fault)}
		}
		profile := &pbmtypes.PbmCapabilityProfile{ProfileCategory: string(pbmtypes.PbmProfileCategoryEnumREQUIREMENT)}
		profile.ProfileId, profile.Name = id, policy.Policy
		profile.ResourceType.ResourceType = string(pbmtypes.PbmProfileResourceTypeEnumSTORAGE)
		profile.Constraints = &pbmtypes.PbmCapabilityConstraints{}
		results = append(results, profile)
	}
	return &methods.PbmRetrieveContentBody{Res: &pbmtypes.PbmRetrieveContentResponse{Returnval: results}}
}

// PbmCheckRequirements answers for each datastore: one with an error does not comply.
func (p *policyServer) PbmCheckRequirements(r *pbmtypes.PbmCheckRequirements) soap.HasFault {
	p.world.Lock()
	defer p.world.Unlock()
	known, results := p.policies(), []pbmtypes.PbmPlacementCompatibilityResult{}
	for _, hub := range p.hubs(r.HubsToSearch) {
		result := pbmtypes.PbmPlacementCompatibilityResult{Hub: hub}
		for _, requirement := range r.PlacementSubjectRequirement {
			profile, ok := requirement.(*pbmtypes.PbmPlacementCapabilityProfileRequirement)
			if !ok {
				continue
			}
			policy, ok := known[profile.ProfileId.UniqueId]
			store := p.inventory.stores[types.ManagedObjectReference{Type: "Datastore", Value: hub.HubId}]
			switch {
			case !ok:
				fault := &types.InvalidArgument{InvalidProperty: "profileId"}
				result.Error = append(result.Error, types.LocalizedMethodFault{Fault: fault})
			case store == nil || !policy.complies(store.id):
				fault := new(pbmtypes.PbmCompatibilityCheckFault)
				fault.Hub = hub
				message := "The datastore does not match the policy."
				result.Error = append(result.Error, types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message})
			}
		}
		results = append(results, result)
	}
	return &methods.PbmCheckRequirementsBody{Res: &pbmtypes.PbmCheckRequirementsResponse{Returnval: results}}
}

// hubs are those that are named, or all datastores.
func (p *policyServer) hubs(named []pbmtypes.PbmPlacementHub) []pbmtypes.PbmPlacementHub {
	if len(named) > 0 {
		return named
	}
	var all []pbmtypes.PbmPlacementHub
	for _, ref := range slices.SortedFunc(maps.Keys(p.inventory.stores), func(a, b types.ManagedObjectReference) int {
		return strings.Compare(a.Value, b.Value)
	}) {
		all = append(all, pbmtypes.PbmPlacementHub{HubType: ref.Type, HubId: ref.Value})
	}
	return all
}
