//! Kinds whose only fields are those of the recurrence.

/// Declares the fields of a kind, their check, its parameters and its digest, for a kind that is described by its
/// recurrence alone. The arguments are the struct of the fields, the struct of the parameters, and an example
/// for the schema.
macro_rules! recurring_fault {
    (
        $(#[doc = $fields_doc:literal])+
        $Spec:ident;
        $(#[doc = $model_doc:literal])+
        $Model:ident;
        example = $example:tt
    ) => {
        $(#[doc = $fields_doc])+
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(extend("examples" = [$example]))]
        #[serde(deny_unknown_fields)]
        pub struct $Spec {
            /// Time between two trials; 10 ms or more.
            #[schemars(with = "crate::faults::span::Span")]
            pub every: Option<crate::faults::span::Span>,
            /// Probability that a trial starts the fault.
            #[schemars(required, range(min = 0, max = 1))]
            pub probability: Option<f64>,
            /// Duration of the fault; 10 ms or more.
            #[schemars(with = "crate::faults::span::Span")]
            #[serde(rename = "for")]
            pub lasting: Option<crate::faults::span::Span>,
            /// Whether one trial decides for all affected devices, so that the fault starts on all of them at once.
            #[schemars(extend("default" = false))]
            pub together: Option<bool>,
        }

        $(#[doc = $model_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Model {
            /// Trials that start the fault.
            pub recurrence: crate::faults::outage::Recurrence,
        }

        impl crate::faults::kind::KindSpec for $Spec {
            type Model = $Model;

            fn check(
                &self,
                context: &crate::faults::checks::CheckContext<'_>,
            ) -> Result<$Model, crate::faults::checks::FieldError> {
                let Self { every, probability, lasting, together } = *self;
                let fields = crate::faults::checks::RecurrenceFields { every, probability, lasting, together };
                Ok($Model { recurrence: context.recurrence(fields)? })
            }
        }

        impl crate::faults::kind::KindModel for $Model {
            fn recurrence(&self) -> Option<&crate::faults::outage::Recurrence> {
                Some(&self.recurrence)
            }
        }

        impl crate::digest::Encode for $Model {
            fn encode(&self, into: &mut crate::digest::Digest) {
                let Self { recurrence } = self;
                recurrence.encode(into);
            }
        }
    };
}

pub(super) use recurring_fault;
