// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.elementwise"(%{{.*}}) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<3x1x4xf32>) -> tensor<3x?x4xf32>
// CHECK-NEXT: "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "less", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK-NEXT: "sem.elementwise"(%{{.*}}, %{{.*}}, %{{.*}}) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x4xi1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: "sem.elementwise"(%{{.*}}) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xi64>
// CHECK-NEXT: "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<?x4xi64>) -> tensor<?x4xf32>
func.func @forms(%x: tensor<?x4xf32>, %y: tensor<3x1x4xf32>) {
  %0 = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = "sem.elementwise"(%x, %y) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<3x1x4xf32>) -> tensor<3x?x4xf32>
  %2 = "sem.elementwise"(%x, %x) {kind = "less", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %3 = "sem.elementwise"(%2, %x, %0) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x4xi1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %4 = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xi64>
  %5 = "sem.elementwise"(%x, %4) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<?x4xi64>) -> tensor<?x4xf32>
  return
}

// -----

func.func @kind(%x: tensor<4xf32>) {
  // expected-error@+1 {{kind 'plus' is none of abs}}
  %0 = "sem.elementwise"(%x, %x) {kind = "plus", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @arity(%x: tensor<4xf32>) {
  // expected-error@+1 {{add takes 2 operands, has 1}}
  %0 = "sem.elementwise"(%x) {kind = "add", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @broadcast(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{operand shapes don't broadcast}}
  %0 = "sem.elementwise"(%x, %y) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @result_shape(%x: tensor<4xf32>, %y: tensor<3x1xf32>) {
  // expected-error@+1 {{result shape is (4,), expected (3, 4)}}
  %0 = "sem.elementwise"(%x, %y) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<3x1xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @predicate(%x: tensor<4xf32>) {
  // expected-error@+1 {{equal gives i1, not f32}}
  %0 = "sem.elementwise"(%x, %x) {kind = "equal", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @mixed(%x: tensor<4xf32>, %y: tensor<4xi64>) {
  // expected-error@+1 {{operand of i64, result of f32}}
  %0 = "sem.elementwise"(%x, %y) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}
