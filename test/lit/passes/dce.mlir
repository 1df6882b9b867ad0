// RUN: noema opt %s --passes=dce | FileCheck %s
// RUN: noema opt %s --passes=dce,dce --timing -o %t 2>&1 | FileCheck %s --check-prefix=COUNT

// COUNT: dce {{.*}} removed 4
// COUNT: dce {{.*}} removed 0

// A whole dead chain goes, weights included.
// CHECK-LABEL: func.func @dead(
// CHECK-NEXT: return %{{.*}} : tensor<4xf32>
func.func @dead(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.param"() {parameter = "scale"} : () -> tensor<4xf32>
  %1 = "sem.elementwise"(%x, %0) {
    kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "sem.elementwise"(%1) {
    kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// CHECK-LABEL: func.func @alive(
// CHECK-NEXT: %[[P:.*]] = "sem.param"
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%{{.*}}, %[[P]])
// CHECK-NEXT: return %[[R]]
func.func @alive(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.param"() {parameter = "scale"} : () -> tensor<4xf32>
  %1 = "sem.elementwise"(%x, %0) {
    kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// Ops of other dialects may have effects; this pass doesn't judge them.
// CHECK-LABEL: func.func @foreign(
// CHECK-NEXT: call @alive
// CHECK-NEXT: return
func.func @foreign(%x: tensor<4xf32>) {
  %0 = call @alive(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "sem.elementwise"(%0) {
    kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return
}
