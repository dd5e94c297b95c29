// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/pbm/methods"
	pbmtypes "github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// withPolicy is twoStores, where the first disk must be on san.
func withPolicy() map[string]any {
	c := twoStores(nil)
	disks := c["guests"].([]map[string]any)[0]["disks"].([]map[string]any)
	disks[0]["storage_policy"], disks[0]["targets"] = "gold", []string{"san"}
	return c
}

func (b *testbed) policies(c *vim25.Client) *pbm.Client {
	b.Helper()
	client, err := pbm.NewClient(context.Background(), c)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

func associated(c *pbm.Client, keys ...string) ([]pbmtypes.PbmQueryProfileResult, error) {
	request := pbmtypes.PbmQueryAssociatedProfiles{This: c.ServiceContent.ProfileManager}
	for _, key := range keys {
		request.Entities = append(request.Entities, pbmtypes.PbmServerObjectRef{
			ObjectType: string(pbmtypes.PbmObjectTypeVirtualDiskId), Key: key,
		})
	}
	answer, err := methods.PbmQueryAssociatedProfiles(context.Background(), c, &request)
	if err != nil {
		return nil, err
	}
	return answer.Returnval, nil
}

func TestPoliciesOfDisksAndTheDatastoresThatComply(t *testing.T) {
	b := boot(t, 0, withPolicy())
	c := b.policies(b.client())
	found, err := associated(c, "1:2000", "1:2001", "1:2009")
	if err != nil || len(found) != 3 {
		t.Fatal(found, err)
	}
	if len(found[0].ProfileId) != 1 || len(found[1].ProfileId) != 0 || found[1].Fault != nil || found[2].Fault == nil {
		t.Fatalf("%+v", found)
	}
	profiles, err := c.RetrieveContent(context.Background(), found[0].ProfileId)
	if err != nil || profiles[0].GetPbmProfile().Name != "gold" {
		t.Fatal(profiles, err)
	}
	requirement := &pbmtypes.PbmPlacementCapabilityProfileRequirement{ProfileId: found[0].ProfileId[0]}
	result, err := c.CheckRequirements(context.Background(), nil, nil, []pbmtypes.BasePbmPlacementRequirement{requirement})
	if err != nil || len(result) != 2 {
		t.Fatal(result, err)
	}
	var complying []string
	for _, hub := range result.CompatibleDatastores() {
		complying = append(complying, hub.HubId)
	}
	if !slices.Equal(complying, []string{"datastore-dc0/san"}) {
		t.Fatal(complying)
	}
}

func TestPoliciesNeedASessionAndThePrivilege(t *testing.T) {
	b := boot(t, 0, withPolicy())
	if status := b.control(http.MethodPost, "/_sim/switches", map[string]any{"read_only_user": "reader"}, nil); status >= 300 {
		t.Fatal(status)
	}
	reader, err := b.login("reader", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(c *pbm.Client) any {
		_, err := associated(c, "1:2000")
		if err == nil || !soap.IsSoapFault(err) {
			t.Fatal(err)
		}
		return soap.ToSoapFault(err).VimFault()
	}
	fault := refused(b.policies(reader))
	if lacking, ok := fault.(types.NoPermission); !ok || lacking.PrivilegeId != viewPolicies {
		t.Fatalf("%T %+v", fault, fault)
	}
	client := b.client()
	c := b.policies(client)
	b.control(http.MethodPost, "/_sim/sessions/expire", map[string]any{}, nil)
	if fault := refused(c); fault == nil {
		t.Fatal("no session was needed")
	} else if _, ok := fault.(types.NotAuthenticated); !ok {
		t.Fatalf("%T", fault)
	}
}
