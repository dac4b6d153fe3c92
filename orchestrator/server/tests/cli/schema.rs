//! `saga schema`: what editors check definitions with.

use crate::support::saga;

#[tokio::test]
async fn the_schema_is_that_beside_the_definitions() {
    let said = saga(&["schema"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_eq!(said.stdout, include_str!("../../../../saga-defs/saga.schema.json"));
}
