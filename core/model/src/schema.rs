//! How types with a written form of their own appear in the OpenAPI document.

macro_rules! text {
    ($type:ty, $description:literal) => {
        $crate::schema::scalar!($type, String, $description);
    };
}

macro_rules! number {
    ($type:ty, $description:literal) => {
        $crate::schema::scalar!($type, Number, $description);
    };
}

macro_rules! scalar {
    ($type:ty, $kind:ident, $description:literal) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::$kind)
                    .description(Some($description))
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {}
    };
}

/// The type appears as the struct that it is read from and written as.
macro_rules! written_as {
    ($type:ty, $text:ty) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <$text as utoipa::PartialSchema>::schema()
            }
        }

        impl utoipa::ToSchema for $type {
            fn schemas(
                schemas: &mut Vec<(
                    String,
                    utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
                )>,
            ) {
                <$text as utoipa::ToSchema>::schemas(schemas);
            }
        }
    };
}

pub(crate) use {number, scalar, text, written_as};
