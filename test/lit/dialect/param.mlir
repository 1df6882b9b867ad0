// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @weights(
// CHECK-NEXT: "sem.param"() {parameter = "encoder.0/weight\22\0A"} : () -> tensor<768x768xf32>
func.func @weights() -> tensor<768x768xf32> {
  %0 = "sem.param"() {parameter = "encoder.0/weight\22\0A"} : () -> tensor<768x768xf32>
  return %0 : tensor<768x768xf32>
}

// -----

func.func @nameless() {
  // expected-error@+1 {{has an empty parameter name}}
  %0 = "sem.param"() {parameter = ""} : () -> tensor<4xf32>
  return
}

// -----

func.func @not_a_name() {
  // expected-error@+1 {{'sem.param' op}}
  %0 = "sem.param"() {parameter = 7 : i64} : () -> tensor<4xf32>
  return
}

// -----

func.func @unranked() {
  // expected-error@+1 {{takes and gives ranked tensors}}
  %0 = "sem.param"() {parameter = "w"} : () -> tensor<*xf32>
  return
}
