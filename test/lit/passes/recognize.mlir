// RUN: noema opt %s --passes=recognize | FileCheck %s

// What holds for all patterns; recognize-*.mlir have them one by one.

// CHECK-LABEL: func.func @swish(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 1.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @swish(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = "sem.activation"(%x) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %s) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
