// Components, roles, phases and modalities.
// RUN: noema opt %s --passes=classify | FileCheck %s

// Two products with an activation between them are an MLP; the addition of what came in is its
// residual. Nothing names the modules, so the component is called what it is.
// CHECK-LABEL: func.func @main
// CHECK: "sem.param"() {{.*}}sem.component = "mlp"{{.*}}sem.role = "mlp.up"
// CHECK: "sem.matmul"{{.*}}sem.component = "mlp", sem.kind = "mlp"{{.*}}sem.role = "mlp.up"
// CHECK: "sem.activation"{{.*}}sem.component = "mlp"{{.*}}sem.role = "mlp.activation"
// CHECK: "sem.matmul"{{.*}}sem.component = "mlp"{{.*}}sem.role = "mlp.down"
// CHECK: "sem.elementwise"{{.*}}sem.component = "mlp"{{.*}}sem.role = "residual"
func.func @main(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<8x16xf32>
  %v = "sem.param"() {parameter = "v"} : () -> tensor<16x8xf32>
  %1 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false}
      : (tensor<1x4x8xf32>, tensor<8x16xf32>) -> tensor<1x4x16xf32>
  %2 = "sem.activation"(%1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "gelu_erf"}
      : (tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  %3 = "sem.matmul"(%2, %v) {transpose_lhs = false, transpose_rhs = false}
      : (tensor<1x4x16xf32>, tensor<16x8xf32>) -> tensor<1x4x8xf32>
  %4 = "sem.elementwise"(%3, %x) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %4 : tensor<1x4x8xf32>
}
