use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;
#[derive(Debug, Clone, Copy)]
pub enum Code {
    X,
}
impl Code {
    pub fn as_str(self) -> &'static str {
        "X"
    }
}
#[derive(Debug, Clone, Copy)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}
#[derive(Debug)]
pub struct Diagnostic {
    pub code: Code,
    pub detail: String,
    pub path: String,
    pub position: Option<Position>,
}
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}
pub struct Template;
pub struct PlanRequest<'a> {
    pub parameters: Map<String, Value>,
    pub scope: Scope,
    pub deployment_name: String,
    pub mode: Mode,
    pub now: jiff::Timestamp,
    pub new_guid: &'a dyn Fn() -> Uuid,
}
pub struct Scope {
    pub subscription_id: String,
    pub tenant_id: String,
    pub resource_group: ResourceGroupInfo,
}
pub struct ResourceGroupInfo {
    pub name: String,
    pub location: String,
    pub tags: BTreeMap<String, String>,
    pub id: String,
}
pub enum Mode {
    Incremental,
    Complete,
}
#[derive(Debug)]
pub struct Plan;
pub struct PlannedResource {
    pub id: String,
    pub resource_type: String,
    pub name: String,
    pub api_version: String,
    pub location: Option<String>,
    pub depends_on: Vec<usize>,
}
impl Template {
    pub fn parse(_: &str) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self)
    }
    pub fn plan(&self, _: &PlanRequest<'_>) -> Result<Plan, Vec<Diagnostic>> {
        Ok(Plan)
    }
}
impl Plan {
    pub fn resources(&self) -> &[PlannedResource] {
        &[]
    }
    pub fn body(&self, _: usize, _: &dyn Deployed) -> Result<Value, Diagnostic> {
        Ok(Value::Null)
    }
    pub fn outputs(&self, _: &dyn Deployed) -> Result<Map<String, Value>, Diagnostic> {
        Ok(Map::new())
    }
    pub fn parameters_for_history(&self) -> Map<String, Value> {
        Map::new()
    }
}
pub trait Deployed {
    fn reference(&self, resource_id: &str, api_version: Option<&str>, full: bool) -> Result<Value, String>;
    fn list(
        &self,
        function: &str,
        resource_id: &str,
        api_version: &str,
        body: Option<&Value>,
    ) -> Result<Value, String>;
}
pub mod jsonc {
    use super::*;
    #[derive(Default, Clone, Copy)]
    pub struct Span {
        pub start: usize,
        pub end: usize,
    }
    pub struct Node {
        pub span: Span,
    }
    impl Node {
        pub fn to_value(&self) -> Value {
            Value::Null
        }
        pub fn get(&self, _: &str) -> Option<&Node> {
            None
        }
    }
    pub fn parse(_: &str) -> Result<Node, Diagnostic> {
        Ok(Node { span: Span::default() })
    }
}
