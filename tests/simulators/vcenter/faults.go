// Copyright (c) 2026 The Even Keel Authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

var typeOf = types.TypeFunc()

// newFault makes a vim fault by its name. References that the fault must have are set to the given
// object, because clients cannot read an empty one.
func newFault(name string, object types.ManagedObjectReference) (types.BaseMethodFault, error) {
	kind, ok := typeOf(name)
	if !ok || kind.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%q is not a vSphere fault", name)
	}
	value := reflect.New(kind)
	fault, ok := value.Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is not a vSphere fault", name)
	}
	fillReferences(value.Elem(), object)
	return fault, nil
}

func fillReferences(value reflect.Value, object types.ManagedObjectReference) {
	for i := range value.NumField() {
		field := value.Field(i)
		switch field.Interface().(type) {
		case types.ManagedObjectReference:
			ref := object
			if value.Type().Field(i).Name == "Task" {
				ref = reference("Task", "task-0")
			}
			field.Set(reflect.ValueOf(ref))
		default:
			if value.Type().Field(i).Anonymous && field.Kind() == reflect.Struct {
				fillReferences(field, object)
			}
		}
	}
}

// localized is how a fault is shown in a task or a check.
func localized(fault types.BaseMethodFault) *types.LocalizedMethodFault {
	message := faultName(fault)
	for _, m := range fault.GetMethodFault().FaultMessage {
		message = m.Message
	}
	return &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message}
}

func faultName(fault types.BaseMethodFault) string {
	return reflect.TypeOf(fault).Elem().Name()
}

// explained gives a fault the text that localized shows.
func explained[F types.BaseMethodFault](fault F, format string, args ...any) F {
	base := fault.GetMethodFault()
	base.FaultMessage = []types.LocalizableMessage{{Key: "evenkeel", Message: fmt.Sprintf(format, args...)}}
	return fault
}
