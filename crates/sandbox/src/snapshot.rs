//! The whole sandbox in one file, and back: both sides of it or neither.

use std::io::BufRead;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use service_kit::{
    Batch, ControlError, SnapshotFile, SnapshotFileError, SnapshotReader, SnapshotWriter, StoreKey, WHOLE,
    apart, snapshot_key, snapshot_received,
};
use tokio::sync::oneshot;

use crate::control::Control;
use crate::whole::Whole;

/// `POST snapshot`: the file.
pub(crate) async fn take(State(control): State<Control>, headers: HeaderMap) -> Result<Response, Response> {
    let whole = control.whole;
    let key = snapshot_key(&headers, whole.store.key()).map_err(IntoResponse::into_response)?;
    let azure = whole.arm.hold().await.map_err(IntoResponse::into_response)?;
    apart(move || whole.write(&azure, &key)).await
}

/// `POST restore`: the file as body. One that holds one side alone leaves the other as it is.
pub(crate) async fn restore(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Response> {
    let whole = control.whole;
    let key = snapshot_key(&headers, whole.store.key()).map_err(IntoResponse::into_response)?;
    let file = snapshot_received(&whole.folder, body).await.map_err(IntoResponse::into_response)?;
    let reading = whole.clone();
    let sides = apart(move || reading.read(file, &key)).await?;
    whole.take_up(sides).await.map(Json)
}

/// What a file holds, read and not taken up yet.
enum Sides {
    Azdo(azdo_mock::Incoming),
    Arm(arm_emulator::Incoming),
    Both(azdo_mock::Incoming, arm_emulator::Incoming),
}

impl Whole {
    fn write(&self, azure: &arm_emulator::Held, key: &StoreKey) -> Result<Response, Refusal> {
        let written = |error| refusal(azdo_mock::SnapshotError::Write(error));
        let azdo = self.azdo.hold().map_err(refusal)?;
        let file = SnapshotFile::new_in(&self.folder).map_err(written)?;
        let mut file = SnapshotWriter::new(file, key, WHOLE, &self.entropy).map_err(written)?;
        file.part(azdo_mock::SNAPSHOT_HOLDS).map_err(written)?;
        self.azdo.write_snapshot(&azdo, &mut file).map_err(refusal)?;
        file.part(arm_emulator::SNAPSHOT_HOLDS).map_err(written)?;
        azure.write(&mut file).map_err(refusal)?;
        file.end().and_then(SnapshotFile::answer).map_err(written)
    }

    fn read(&self, input: impl BufRead, key: &StoreKey) -> Result<Sides, Refusal> {
        let unreadable = |error: SnapshotFileError| refusal(azdo_mock::RestoreError::File(error));
        let mut file = SnapshotReader::open(input, key).map_err(unreadable)?;
        let has = |part: (&str, u32)| [part.0, WHOLE.0].contains(&file.holds());
        let (azdo, arm) = (has(azdo_mock::SNAPSHOT_HOLDS), has(arm_emulator::SNAPSHOT_HOLDS));
        let mut of_azdo = || {
            file.expect(azdo_mock::SNAPSHOT_HOLDS).map_err(unreadable)?;
            self.azdo.read_snapshot(&mut file).map_err(refusal)
        };
        let of_azdo = if azdo { Some(of_azdo()?) } else { None };
        let mut of_azure = || {
            file.expect(arm_emulator::SNAPSHOT_HOLDS).map_err(unreadable)?;
            self.arm.read_snapshot(&mut file).map_err(refusal)
        };
        let of_azure = if arm { Some(of_azure()?) } else { None };
        let sides = match (of_azdo, of_azure) {
            (Some(azdo), Some(arm)) => Sides::Both(azdo, arm),
            (Some(azdo), None) => Sides::Azdo(azdo),
            (None, Some(arm)) => Sides::Arm(arm),
            (None, None) => {
                let what = format!("`{}`, which is no part of a sandbox", file.holds());
                return Err(unreadable(SnapshotFileError::Content(what)));
            }
        };
        file.finish().map_err(unreadable)?;
        Ok(sides)
    }

    async fn take_up(&self, sides: Sides) -> Result<Value, Response> {
        match sides {
            Sides::Azdo(incoming) => {
                let (azdo, store) = (self.azdo.clone(), self.store.clone());
                let taken = move || azdo.take_up(incoming, |batch| store.write(batch));
                let restored = apart(move || taken().map_err(refusal)).await?;
                Ok(restored.shown())
            }
            Sides::Arm(incoming) => {
                let restored = self.arm.restore_snapshot(incoming).await;
                restored.map(|restored| restored.shown()).map_err(IntoResponse::into_response)
            }
            Sides::Both(azdo, arm) => self.take_up_both(azdo, arm).await,
        }
    }

    /// In one transaction, at a moment at which no container runs: none of before meets an Azure DevOps that it is not of.
    async fn take_up_both(
        &self,
        incoming: azdo_mock::Incoming,
        of_azure: arm_emulator::Incoming,
    ) -> Result<Value, Response> {
        let (azdo, store) = (self.azdo.clone(), self.store.clone());
        let (tell, told) = oneshot::channel();
        let write = move |azure: Batch| {
            let taken = azdo.take_up(incoming, |batch| store.write(azure.then(batch)));
            // All but logs that are not in their place yet has been written or nothing has.
            let taken = match taken {
                Ok(restored) => Ok(restored),
                Err(late @ azdo_mock::RestoreError::Late(_)) => Err(late),
                Err(refused) => return Err(refused.into()),
            };
            // The caller may have gone away.
            let _ = tell.send(taken);
            Ok(())
        };
        let of_azure = self.arm.take_up(of_azure, write).await.map_err(IntoResponse::into_response)?;
        let of_azdo = told.await.map_err(|_| {
            let why = "take up the snapshot: the work was given up".to_owned();
            ControlError(StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        })?;
        let mut shown = of_azdo.map_err(IntoResponse::into_response)?.shown();
        if let (Value::Object(shown), Value::Object(azure)) = (&mut shown, of_azure.shown()) {
            shown.extend(azure);
        }
        Ok(shown)
    }
}

/// What is answered where something is refused; boxed, so that results stay small.
struct Refusal(Box<Response>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

fn refusal(error: impl IntoResponse) -> Refusal {
    Refusal(Box::new(error.into_response()))
}
