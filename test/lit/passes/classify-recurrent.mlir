// Cells that are spelled out.
// RUN: noema opt %s --passes=classify | FileCheck %s

// A step of an LSTM, as torch writes LSTMCell: the ops stay, and say which gate they are.
// CHECK-LABEL: func.func @main
// CHECK: %[[H:.*]] = "sem.matmul"(%arg1{{.*}}sem.component = "recurrent", sem.kind = "recurrent"{{.*}}sem.role = "recurrent.hidden"
// CHECK: %[[X:.*]] = "sem.matmul"(%arg0{{.*}}sem.role = "recurrent.input"
// CHECK: "sem.elementwise"(%[[H]], %[[X]]){{.*}}sem.role = "recurrent.gates"
// CHECK: "sem.onnx"{{.*}}op_type = "Split"{{.*}}sem.role = "recurrent.gates"
// CHECK: "sem.activation"{{.*}}kind = "sigmoid"{{.*}}sem.role = "recurrent.gate.input"
// CHECK: "sem.activation"{{.*}}kind = "sigmoid"{{.*}}sem.role = "recurrent.gate.forget"
// CHECK: "sem.activation"{{.*}}kind = "tanh"{{.*}}sem.role = "recurrent.candidate"
// CHECK: "sem.activation"{{.*}}kind = "sigmoid"{{.*}}sem.role = "recurrent.gate.output"
// CHECK-COUNT-5: sem.component = "recurrent"{{.*}}sem.role = "recurrent.cell"
// CHECK-NEXT: return
func.func @main(%x: tensor<2x12xf32>, %h: tensor<2x16xf32>, %c: tensor<2x16xf32>)
    -> tensor<2x16xf32> {
  %w = "sem.param"() {parameter = "weight_ih"} : () -> tensor<12x64xf32>
  %r = "sem.param"() {parameter = "weight_hh"} : () -> tensor<16x64xf32>
  %0 = "sem.matmul"(%h, %r) {transpose_lhs = false, transpose_rhs = false}
      : (tensor<2x16xf32>, tensor<16x64xf32>) -> tensor<2x64xf32>
  %1 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false}
      : (tensor<2x12xf32>, tensor<12x64xf32>) -> tensor<2x64xf32>
  %2 = "sem.elementwise"(%0, %1) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<2x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
  %3:4 = "sem.onnx"(%2) {
    attrs = {axis = 1 : i64, num_outputs = 4 : i64}, domain = "", op_type = "Split",
    version = 18 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x64xf32>)
      -> (tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>)
  %i = "sem.activation"(%3#0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"}
      : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %f = "sem.activation"(%3#1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"}
      : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %g = "sem.activation"(%3#2) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"}
      : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %o = "sem.activation"(%3#3) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"}
      : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %4 = "sem.elementwise"(%f, %c) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
  %5 = "sem.elementwise"(%i, %g) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
  %6 = "sem.elementwise"(%4, %5) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
  %7 = "sem.activation"(%6) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"}
      : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %8 = "sem.elementwise"(%o, %7) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>}
      : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
  return %8 : tensor<2x16xf32>
}
