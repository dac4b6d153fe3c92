//! A database of a test's own, of either kind, and the macro that runs tests on both.

use std::any::Any;

use lab::{Folder, Lab};

/// A database that is gone when this is dropped.
pub(crate) struct Ground {
    pub(crate) url: String,
    _kept: Box<dyn Any + Send + Sync>,
}

pub(crate) async fn postgres() -> Ground {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    Ground { url: database.url.clone(), _kept: Box::new(database) }
}

pub(crate) fn sqlite() -> Ground {
    let folder = Folder::create().unwrap();
    let url = format!("sqlite:{}", folder.path().join("participant.db").display());
    Ground { url, _kept: Box::new(folder) }
}

/// Runs tests on both databases: each is a function of a URL.
macro_rules! on_both {
    ($($test:ident,)+) => {
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let ground = crate::ground::postgres().await;
                    super::$test(&ground.url).await;
                }
            )+
        }

        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let ground = crate::ground::sqlite();
                    super::$test(&ground.url).await;
                }
            )+
        }
    };
}

pub(crate) use on_both;
