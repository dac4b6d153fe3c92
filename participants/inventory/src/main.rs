//! The participant `inventory` as a process of its own.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    inventory::participant().run().await
}
