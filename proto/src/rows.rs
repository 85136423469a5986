//! The messages of which a close has thousands: the rows of totals and plans, as `log.proto` states them.
//!
//! They are written out here because generated ones hold each name as a string of its own, and making, copying and
//! freeing those was most of what a close cost. These are copied like numbers. On the wire they are the same.

mod field;

use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, skip_field},
};

use self::field::{Field, Written};
use crate::name::Name;

/// Declares a message by its fields, each with its type and number; absent is what is empty or 0.
macro_rules! row {
    ($(#[$about:meta])* $row:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $tag:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $row { $($(#[$doc])* pub $field: $type),+ }

        impl Message for $row {
            fn encode_raw(&self, buf: &mut impl BufMut) {
                let mut row = Written::default();
                $(self.$field.write($tag, &mut row);)+
                buf.put_slice(row.bytes());
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: WireType,
                buf: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                match tag {
                    $($tag => self.$field.read(wire_type, buf, context).map_err(|mut error| {
                        error.push(stringify!($row), stringify!($field));
                        error
                    }),)+
                    _ => skip_field(wire_type, tag, buf, context),
                }
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                [$(self.$field.size()),+].into_iter().sum()
            }

            fn clear(&mut self) {
                *self = Self::default();
            }
        }
    };
}

row! {
    /// A running total of cleared records.
    Total {
        /// The city where the cards were used.
        acquirer: Name = 1;
        /// The cards' home city.
        issuer: Name = 2;
        /// 0 purchase, 1 load, 2 purchase_reversal, 3 load_reversal.
        kind: u32 = 3;
        /// Index into the rulebook's fee lines; their number stands for the two default rates. Over the acquirer's n-th
        /// account by sector, n × (their number + 1) more.
        fee_line: u32 = 4;
        /// Records.
        count: u64 = 5;
        /// Their amounts, fen.
        amount_fen: u64 = 6;
        /// Interchange of basis `per_record`, each record rounded and summed; 0 in the other basis.
        interchange_fen: u64 = 7;
        /// Switch fee likewise.
        switch_fee_fen: u64 = 8;
    }
}

row! {
    /// A row of positions.csv.
    Position {
        /// The city where the cards were used.
        acquirer: Name = 1;
        /// The cards' home city.
        issuer: Name = 2;
        /// As in [`Total`].
        kind: u32 = 3;
        /// Records.
        count: u64 = 4;
        /// Their amounts, fen.
        amount_fen: u64 = 5;
        /// Interchange, fen; negative for a reversal.
        interchange_fen: i64 = 6;
        /// Switch fee, fen; negative for a reversal.
        switch_fee_fen: i64 = 7;
    }
}

row! {
    /// A row of net.csv.
    Net {
        /// A city, or `scheme`.
        participant: Name = 1;
        /// Amounts it receives, fen.
        receivable_fen: u64 = 2;
        /// Amounts it pays, fen.
        payable_fen: u64 = 3;
        /// Interchange it receives, fen.
        interchange_receivable_fen: i64 = 4;
        /// Interchange it pays, fen.
        interchange_payable_fen: i64 = 5;
        /// Switch fee it pays, fen; negative for the scheme.
        switch_fee_fen: i64 = 6;
        /// Items, fen: what it receives less what it pays.
        adjustment_fen: i64 = 7;
        /// What it receives in all, fen; negative if it pays.
        net_fen: i64 = 8;
    }
}

row! {
    /// The part of a position that its acquirer is paid over an account by sector.
    AccountPosition {
        /// The city where the cards were used, whose account it is.
        acquirer: Name = 1;
        /// Which of its accounts by sector, in the order of the rulebook from 1.
        account: u32 = 2;
        /// The cards' home city.
        issuer: Name = 3;
        /// As in [`Total`].
        kind: u32 = 4;
        /// Records.
        count: u64 = 5;
        /// Their amounts, fen.
        amount_fen: u64 = 6;
        /// Interchange, fen; negative for a reversal.
        interchange_fen: i64 = 7;
        /// Switch fee, fen; negative for a reversal.
        switch_fee_fen: i64 = 8;
    }
}

#[cfg(test)]
mod tests;
