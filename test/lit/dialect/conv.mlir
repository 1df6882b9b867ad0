// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.conv"(%{{.*}}, %{{.*}}) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x3x?x9xf32>, tensor<8x3x3x3xf32>) -> tensor<?x8x?x5xf32>
// CHECK-NEXT: "sem.conv"(%{{.*}}, %{{.*}}, %{{.*}}) {dilations = array<i64: 2>, groups = 4 : i64, operandSegmentSizes = array<i32: 1, 1, 1>, pads = array<i64: 2, 0>, strides = array<i64: 1>} : (tensor<1x4x9xf32>, tensor<8x1x2xf32>, tensor<8xf32>) -> tensor<1x8x9xf32>
func.func @forms(%x: tensor<?x3x?x9xf32>, %w: tensor<8x3x3x3xf32>, %y: tensor<1x4x9xf32>, %v: tensor<8x1x2xf32>, %b: tensor<8xf32>) {
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<?x3x?x9xf32>, tensor<8x3x3x3xf32>) -> tensor<?x8x?x5xf32>
  %1 = "sem.conv"(%y, %v, %b) {
    strides = array<i64: 1>, dilations = array<i64: 2>, pads = array<i64: 2, 0>, groups = 4 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<1x4x9xf32>, tensor<8x1x2xf32>, tensor<8xf32>) -> tensor<1x8x9xf32>
  return
}

// -----

func.func @channels(%x: tensor<1x4x9xf32>, %w: tensor<8x3x2xf32>) {
  // expected-error@+1 {{has 4 input channels; weight and groups take 3}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x9xf32>, tensor<8x3x2xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @groups(%x: tensor<1x6x9xf32>, %w: tensor<8x2x2xf32>) {
  // expected-error@+1 {{has 8 filters, not a multiple of 3 groups}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 3 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x6x9xf32>, tensor<8x2x2xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @ranks(%x: tensor<1x4x9xf32>, %w: tensor<8x4x2x2xf32>) {
  // expected-error@+1 {{needs x, weight and result of one rank}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x9xf32>, tensor<8x4x2x2xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @lengths(%x: tensor<1x4x9xf32>, %w: tensor<8x4x2xf32>) {
  // expected-error@+1 {{has 1 spatial dimensions; strides, dilations or pads disagree}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x9xf32>, tensor<8x4x2xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @stride(%x: tensor<1x4x9xf32>, %w: tensor<8x4x2xf32>) {
  // expected-error@+1 {{strides, dilations and groups are at least 1}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 0>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x9xf32>, tensor<8x4x2xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @result(%x: tensor<1x4x9xf32>, %w: tensor<8x4x2xf32>) {
  // expected-error@+1 {{result shape is (1, 8, 9), expected [1, 8, 8]}}
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 1 : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x9xf32>, tensor<8x4x2xf32>) -> tensor<1x8x9xf32>
  return
}
