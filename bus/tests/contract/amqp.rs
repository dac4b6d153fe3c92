//! The suite on a real RabbitMQ, and what is AMQP's alone.

use std::net::Ipv4Addr;

use bytes::Bytes;
use lab::{Broker, Lab, Vhost};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeleteOptions, QueuePurgeOptions},
};
use saga_bus::{Amqp, Bus, Options, Role};
use saga_protocol::Message;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    ground::Ground,
    support::{PREFETCH, commands, in_time, receive},
};

contract! { #[tokio::test] RabbitMq }

/// A RabbitMQ, and the way to it.
struct RabbitMq {
    server: Server,
    road: Road,
}

enum Server {
    /// The one that all tests use; each has a virtual host of its own.
    Shared(Box<Lab>, Vhost),
    Own(Box<Broker>),
}

/// The virtual host of one's own server.
const DEFAULT_VHOST: &str = "%2f";

impl RabbitMq {
    /// The broker's URL, without the road.
    fn url(&self) -> String {
        match &self.server {
            Server::Shared(_, vhost) => vhost.url.clone(),
            Server::Own(broker) => broker.url(DEFAULT_VHOST),
        }
    }

    async fn ctl(&self, arguments: &[&str]) {
        match &self.server {
            Server::Shared(lab, _) => lab.rabbitmqctl(arguments).await.unwrap(),
            Server::Own(broker) => broker.ctl(arguments).await.unwrap(),
        };
    }

    fn vhost(&self) -> &str {
        match &self.server {
            Server::Shared(_, vhost) => &vhost.name,
            Server::Own(_) => "/",
        }
    }

    /// A channel on a connection of the test's own.
    async fn channel(&self) -> (Connection, Channel) {
        let url = self.url();
        let connecting = Connection::connect(&url, ConnectionProperties::default());
        let connection = in_time("the test's own connection", connecting).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// A broker apart has one node, whose alarm is set by its own limit.
    async fn watermark(&self, part: &str) {
        assert!(matches!(self.server, Server::Own(_)), "it would hurt the other tests");
        self.ctl(&["set_vm_memory_high_watermark", part]).await;
    }
}

impl Ground for RabbitMq {
    const USER: &str = "guest";

    async fn new() -> Self {
        let lab = Lab::from_env().unwrap();
        let vhost = lab.vhost().await.unwrap();
        let road = Road::to(&vhost.url);
        Self { server: Server::Shared(Box::new(lab), vhost), road }
    }

    async fn apart() -> Self {
        let broker = Broker::start().await.unwrap();
        let road = Road::to(&broker.url(DEFAULT_VHOST));
        Self { server: Server::Own(Box::new(broker)), road }
    }

    fn start(&self, role: Role) -> Box<dyn Bus> {
        let _ = tracing_subscriber::fmt()
            .with_env_filter("info,saga_bus=debug,lapin=info")
            .with_test_writer()
            .try_init();
        let (ours, theirs) = (self.road.port, self.road.broker_port);
        let url = self.url().replace(&format!(":{theirs}/"), &format!(":{ours}/"));
        Box::new(Amqp::start(Options { url, role, name: "test".to_owned() }).unwrap())
    }

    async fn cut(&self) {
        self.ctl(&["close_all_connections", "-p", self.vhost(), "the test says so"]).await;
    }

    async fn delete_queue(&self, name: &str) {
        let (_connection, channel) = self.channel().await;
        let deleting = channel.queue_delete(name.into(), QueueDeleteOptions::default());
        in_time("the queue to be deleted", deleting).await.unwrap();
    }

    async fn purge(&self, name: &str) {
        let (_connection, channel) = self.channel().await;
        let purging = channel.queue_purge(name.into(), QueuePurgeOptions::default());
        in_time("the queue to be purged", purging).await.unwrap();
    }

    async fn limit(&self, name: &str, messages_max: usize) {
        let (pattern, definition) =
            (format!("^{name}$"), format!("{{\"max-length\":{messages_max}}}"));
        let policy = ["set_policy", "-p", self.vhost(), "small", &pattern, &definition];
        self.ctl(&[policy.as_slice(), &["--apply-to", "queues"]].concat()).await;
    }

    async fn block(&self) {
        self.watermark("0.0000001").await;
    }

    async fn unblock(&self) {
        self.watermark("0.6").await;
    }

    async fn down(&mut self) {
        self.road.close().await;
    }

    async fn up(&mut self) {
        self.road.open();
    }

    async fn restart(&mut self) {
        let Server::Own(broker) = &mut self.server else {
            panic!("it would hurt the other tests");
        };
        broker.sync().await.unwrap();
        broker.kill9();
        broker.restart().await.unwrap();
    }
}

/// The way to the broker, which can be absent.
struct Road {
    port: u16,
    broker_port: u16,
    carrier: Option<JoinHandle<()>>,
}

impl Road {
    /// An open one.
    fn to(url: &str) -> Self {
        let broker_port = port_of(url);
        let mut road = Self { port: lab::free_port().unwrap(), broker_port, carrier: None };
        road.open();
        road
    }

    fn open(&mut self) {
        let (port, broker_port) = (self.port, self.broker_port);
        self.carrier = Some(tokio::spawn(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let mut carried = tokio::task::JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                carried.spawn(async move {
                    let to = (Ipv4Addr::LOCALHOST, broker_port);
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    // Whichever side ends it, it is over.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    /// Cuts everything on it.
    async fn close(&mut self) {
        let carrier = self.carrier.take().expect("it is open");
        carrier.abort();
        let _ = carrier.await;
    }
}

fn port_of(url: &str) -> u16 {
    let authority = url.split('/').nth(2).unwrap();
    authority.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn strangers_messages_arrive_too() {
    let ground = RabbitMq::new().await;
    let bus = ground.bus().await;
    let (_stranger, channel) = ground.channel().await;
    let properties = BasicProperties::default().with_message_id("order 7".into());
    let body = vec![0xff, 0x00];
    let options = BasicPublishOptions::default();
    let queue = commands();
    channel
        .basic_publish("".into(), queue.as_str().into(), options, &body, properties)
        .await
        .unwrap();
    let mut consumer = bus.consume(&queue, PREFETCH).await;
    let arrived = receive(&mut consumer, 1).await;
    let message =
        Message { message_id: arrived[0].message.message_id, ..Message::new(Bytes::from(body)) };
    assert_eq!(arrived[0].message, message);
    in_time("close", bus.close()).await;
}
