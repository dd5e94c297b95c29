// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"math"

	"github.com/vmware/govmomi/vim25/types"
)

// mhzPerCore is how vSphere's MHz and a snapshot's cores are converted into each other.
const mhzPerCore = 2600

const mebibyte = 1 << 20

func megahertz(cores float64) int32 {
	return int32(math.Round(math.Max(0, cores) * mhzPerCore))
}

func mebibytes(bytes float64) int32 {
	return int32(math.Round(math.Max(0, bytes) / mebibyte))
}

func kibibytes(bytes float64) int64 {
	return int64(math.Round(math.Max(0, bytes) / 1024))
}

// wholeCores is at least 1, since a host or VM of no processor cannot be.
func wholeCores(cores float64) int32 {
	return max(1, int32(math.Round(cores)))
}

func reference(kind, value string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kind, Value: value}
}

func pointer[T any](v T) *T {
	return &v
}
