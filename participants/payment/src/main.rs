//! The participant `payment` as a process of its own.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    payment::participant().run().await
}
