//! The participant `shipping` as a process of its own.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    shipping::participant().run().await
}
