// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @kinds(
// CHECK-NEXT: "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "layer", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
// CHECK-NEXT: "sem.norm"(%{{.*}}) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "rms", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>}
// CHECK-NEXT: "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "batch", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}
// CHECK-NEXT: "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 3 : i64, kind = "group", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
func.func @kinds(%x: tensor<?x6x4xf32>, %s: tensor<4xf32>, %c: tensor<6xf32>) {
  %0 = "sem.norm"(%x, %s, %s) {
    kind = "layer", axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
  } : (tensor<?x6x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x6x4xf32>
  %1 = "sem.norm"(%x) {
    kind = "rms", axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<?x6x4xf32>) -> tensor<?x6x4xf32>
  %2 = "sem.norm"(%x, %c, %c, %c, %c) {
    kind = "batch", axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32,
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>
  } : (tensor<?x6x4xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<?x6x4xf32>
  %3 = "sem.norm"(%x, %c, %c) {
    kind = "group", axis = 1 : i64, groups = 3 : i64, epsilon = 1.0e-5 : f32,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
  } : (tensor<?x6x4xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<?x6x4xf32>
  return
}

// -----

func.func @kind(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{kind 'l2' is none of batch, group, instance, layer, rms}}
  %0 = "sem.norm"(%x) {
    kind = "l2", axis = 1 : i64, groups = 1 : i64, epsilon = 0.0 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @axis(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = "sem.norm"(%x) {
    kind = "layer", axis = 2 : i64, groups = 1 : i64, epsilon = 0.0 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @no_statistics(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{takes mean and variance if and only if kind is batch}}
  %0 = "sem.norm"(%x) {
    kind = "batch", axis = 1 : i64, groups = 1 : i64, epsilon = 0.0 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @groups(%x: tensor<2x6x4xf32>) {
  // expected-error@+1 {{has 6 channels, not a multiple of 4 groups}}
  %0 = "sem.norm"(%x) {
    kind = "group", axis = 1 : i64, groups = 4 : i64, epsilon = 0.0 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  return
}

// -----

func.func @shape(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{result shape is (2, 5), expected (2, 6)}}
  %0 = "sem.norm"(%x) {
    kind = "layer", axis = 1 : i64, groups = 1 : i64, epsilon = 0.0 : f32,
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>
  } : (tensor<2x6xf32>) -> tensor<2x5xf32>
  return
}
